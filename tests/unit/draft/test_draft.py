"""What a proposed profile is made of."""

from __future__ import annotations

import re
import tomllib

from rollback_gate.draft import differences, source
from rollback_gate.draft.differences import Changed, Use
from rollback_gate.draft.text import Draft, toml

OLD = """import os


def work(task):
    # a remark
    return retry(task, 3)
"""
NEW = """import os
from errors import classify


def work(task):
    # another remark, long enough
    return retry(task, classify(task))
"""


def test_marks_are_lines_that_one_side_has() -> None:
    """The most telling first, and no remarks: a comment may be written anew."""
    assert differences.marks(OLD, NEW) == (
        ("from errors import classify", "return retry(task, classify(task))"),
        ("return retry(task, 3)",),
    )
    assert differences.marks(OLD, OLD) == ((), ())


def test_settings_that_differ() -> None:
    old, new = "# A=9\nA=1\nB='x'\nGONE=1\n", "A=2\nB=x\nexport C = 3\n"
    assert differences.in_env(old, new) == [Changed("A", "1", "2"), Changed("C", None, "3")]


def test_images_and_environments_that_differ() -> None:
    old = "services: {a: {image: 'x:1', environment: {T: 1, S: s}}, b: {environment: [T=1]}}"
    new = "services: {a: {image: 'x:2', environment: {T: 2, S: s}}, b: {environment: [T=1, U=u]}}"
    assert differences.in_compose(old, new) == [
        Changed("services.a.image", "x:1", "x:2"),
        Changed("services.a.environment.T", "1", "2"),
        Changed("services.b.environment.U", None, "u"),
    ]
    assert differences.in_compose("[", "a: b") == []


def test_where_a_variable_is_used() -> None:
    compose = "services: {a: {image: 'x:${TAG}', environment: {B: '${TAG:-1}', C: $TAGS}}, b: {environment: [D=$TAG]}}"
    assert differences.uses(compose, "TAG") == [
        Use("a", "", "x:${TAG}"),
        Use("a", "B", "${TAG:-1}"),
        Use("b", "D", "$TAG"),
    ]
    assert differences.filled("x:${TAG:-1}-$TAG $TAGS", "TAG", "2") == "x:2-2 $TAGS"


WORKER = """
import json, logging
logger = logging.getLogger()
def main(queue, database):
    print("INFO:worker:ready", flush=True)
    task = json.loads(queue.brpop("thumbnails")[1])["id"]
    logger.info("Processing %s now", task)
    database.execute("insert into thumbnails (id, sharpness, passes) values (%s, %s, %s)")
    print(f"INFO:worker:done {task} in {1} s")
connect(host="db", dbname="shop", user="worker")
"""


def test_what_a_source_says_of_its_lines() -> None:
    lines = source.lines_of("worker.py", WORKER)
    ready, begins, done = source.ready(lines), source.begins(lines), source.done(lines)
    assert ready and begins and done
    assert re.search(ready.pattern(), "INFO:worker:ready")
    found = re.search(begins.pattern("document"), "Processing a-1.jpg now")
    assert found and found["document"] == "a-1.jpg"
    assert re.search(done.pattern("task"), "INFO:worker:done a-1.jpg in 1 s")
    assert ready.place == "worker.py:5"
    assert source.lines_of("broken.py", "def (") == []


def test_what_a_source_says_of_its_queue_and_table() -> None:
    assert source.queue_name("redis", WORKER) == "thumbnails"
    assert source.queue_name("rabbitmq", 'channel.queue_declare(queue="jobs")') == "jobs"
    assert source.queue_name("nsq", WORKER) == ""
    table = source.table(WORKER)
    assert table and (table.name, table.columns) == ("thumbnails", ("id", "sharpness", "passes"))
    assert source.connection(WORKER) == {"name": "shop", "user": "worker"}
    assert source.task_id(WORKER) == "id"
    assert source.table("") is None


def test_the_text_is_toml_and_says_where_each_value_is_from() -> None:
    """What was not found is a comment, and counted."""
    draft = Draft()
    draft.set("format", 3)
    draft.section("[logs]", "of the worker")
    draft.set("consuming", re.compile(r"ready \d+"), "printed at worker.py:3")
    draft.set("quoted", re.compile("it's"))
    draft.set("flags", [True, 0.5, {"a b": "c\n"}], "a reason that is long enough to stand on a line of its own")
    draft.lack("error", "an error line")
    parsed = tomllib.loads(draft.text)
    assert parsed == {
        "format": 3,
        "logs": {"consuming": r"ready \d+", "quoted": "it's", "flags": [True, 0.5, {"a b": "c\n"}]},
    }
    assert "consuming = 'ready \\d+'  # printed at worker.py:3" in draft.text
    assert "# error =   # not found: an error line" in draft.text
    assert (draft.found, draft.missing) == (4, 1)
    assert toml("ü") == '"ü"'
