"""What a proposed profile is made of."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from rollback_gate.draft import differences, imports, printed, source
from rollback_gate.draft.differences import Changed, Use
from rollback_gate.draft.text import Draft, toml
from rollback_gate.evidence.adapters import environment, fields

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


def test_the_line_by_which_it_is_ready_is_the_last_one_before_a_task() -> None:
    """By its log; the first of several that sound like it is only a guess."""
    text = """
logger.info("Connected to the database")
logger.info("Starting consumer: topic=%s", config.TOPIC)
logger.info("Consumer created, waiting")
logger.info("Processing task %s", task_id)
logger.info("Waiting for the lock of %s", document_id)
"""
    lines = source.lines_of("worker.py", text)
    log = "Connected to the database\nStarting consumer: topic=a\nConsumer created, waiting\nProcessing task 7\n"
    found = source.ready(lines, log + "Waiting for the lock of 7\nConnected to the database\n")
    assert found and found.text == "Consumer created, waiting"
    guessed = source.ready(lines)
    assert guessed and guessed.text == "Connected to the database"
    assert source.ready(lines, "another program's log\n") == guessed


def test_the_group_is_where_the_id_stands() -> None:
    (line,) = source.lines_of("worker.py", 'log.info("%d of 100%% done: job %s in %.1f s", count, job_id, seconds)')
    assert line.pattern("task") == r"\S+ of 100% done: job (?P<task>\S+) in \S+ s"
    assert re.search(line.pattern("task"), "1 of 100% done: job a-1 in 0.5 s")
    (close,) = source.lines_of("worker.py", 'print(f"{kind}{job_id}{suffix}: written by {name}")')
    assert close.pattern("task") == r"(?P<task>\S+): written by \S+", "holes side by side are one"
    (bare,) = source.lines_of("worker.py", 'log.info("done %s in %s", this, that)')
    assert bare.pattern("task").startswith("done (?P<task>")


def said(text: str) -> source.Said:
    (line,) = source.lines_of("worker.py", text)
    return line


def test_a_pattern_is_for_old_and_new_lines() -> None:
    """A rollback waits for the old code's line, which is not running while the profile is made."""
    new, old = said('log.info("up, with precision")'), said('log.info("up, plain")')
    assert source.either(new, old) == "(?:up, with precision|up, plain)"
    assert source.either(new, new) == "up, with precision"
    assert source.either(new, None) == "up, with precision"
    new, old = said('log.info("[%s] stored cell=%s", job_id, cell)'), said('log.info("<- job %s: located", job_id)')
    form = re.compile(source.either(new, old, "task"))
    for line in ("[a-1] stored cell=7", "<- job a-1: located"):
        found = form.search(line)
        assert found and found["task"] == "a-1"


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", "ERROR:root:it failed"),
        ("2026-11-27T09:00:00Z INFO:root:up\n", "ERROR:root:it failed"),
        ("2026-11-27T09:00:00Z 2026-11-27 10:00:00,1 INFO up\n", "2026-11-27 10:00:01,2 ERROR it failed"),
        ("2026-11-27T09:00:00Z [INFO] up\n", "[ERROR] it failed"),
    ],
)
def test_error_lines_have_the_form_of_the_others(log: str, line: str) -> None:
    form = source.error(log)
    assert re.search(form, line)
    assert re.search(form, "Traceback (most recent call last):")
    assert not re.search(form, line.replace("ERROR", "INFO"))


def test_which_end_of_a_list_is_read() -> None:
    assert source.pops_left('queue.blpop("todo")')
    assert not source.pops_left('queue.brpop("todo")')


SOURCES = {
    "app/worker.py": "from app.errors.kinds import kind\nfrom app.config.timeouts import limit\nimport app.client, json\n",
    "app/__init__.py": "",
    "app/client.py": "from app.shared import a\n",
    "app/shared.py": "",
    "app/errors/__init__.py": "",
    "app/errors/kinds.py": "from app.errors.base import Base\n",
    "app/errors/base.py": "",
    "app/config/timeouts.py": "",
    "tests/test_errors.py": "from app.errors.kinds import kind\n",
}


def test_what_only_the_change_imports_came_with_it() -> None:
    """A package as a whole, a module beside others alone; its tests are not its users."""
    assert imports.brought("app/worker.py", "import app.client\n", SOURCES) == ["app/errors", "app/config/timeouts.py"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app/other.py", "import app.errors.base\n"),
        ("app/other.py", "from .errors import base\n"),
        ("app/deep/other.py", "from ..errors.kinds import kind\n"),
        ("app/other.py", "kinds = importlib.import_module('app.errors.kinds')\n"),
        ("app/worker.py", "import app.errors.base\n"),
    ],
)
def test_what_old_code_uses_stays(path: str, text: str) -> None:
    old = text if path == "app/worker.py" else ""
    sources = SOURCES if old else {**SOURCES, path: text}
    assert imports.brought("app/worker.py", f"{old}import app.client\n", sources) == ["app/config/timeouts.py"]


def test_a_script_imports_from_its_own_folder() -> None:
    """`python worker/worker.py` finds worker/precision.py as precision."""
    sources = {"worker/worker.py": "from precision import geohash\n", "worker/precision.py": "", "other.py": ""}
    assert imports.brought("worker/worker.py", "", sources) == ["worker/precision.py"]
    used = {**sources, "worker/second.py": "import precision\n"}
    assert imports.brought("worker/worker.py", "", used) == []


def test_what_cannot_be_read_imports_nothing() -> None:
    assert imports.imported("def (", "a.py") == set()


def stored(*, marked: bool, score: float = 0.3) -> dict[str, Any]:
    made = {"people": [], **({"_source": "actual"} if marked else {})}
    return {"_id": "a", "quality": {"completeness_score": score, "fields": 5}, "ratio": 0.5, "made": made}


def test_what_documents_show() -> None:
    """The score by its name; the mark as what all since the change have and none had before; a few prove nothing."""
    old, new = [stored(marked=False)] * 5, [stored(marked=True)] * 5
    assert fields.score_of(old) == "quality.completeness_score"
    assert fields.score_of([stored(marked=False, score=27.8)] * 5) == ""
    assert fields.mark_of(old, new) == "made._source"
    assert fields.mark_of([*old, stored(marked=True)], new) == "", "one of before has it"
    assert fields.mark_of(old, [*new, *[stored(marked=False)] * 3]) == "", "not all have it"
    for before, since in ((old, new[:4]), (old[:4], new), (old, []), ([], [])):
        assert fields.mark_of(before, since) == ""


def test_whose_a_database_is() -> None:
    """An address says more than single variables, and its password is nobody's business here."""
    rows = ["POSTGRES_USER=root", "POSTGRES_DB=shop", "URL=postgresql://wor%40ker:s3cret@db:5432/orders"]
    assert environment.connection("postgresql", rows) == {"user": "wor@ker", "name": "orders"}
    assert environment.connection("postgresql", rows[:2]) == {"user": "root", "name": "shop"}
    mongo = ["MONGO_URI=mongodb://a:s3cret@mongodb:27017/gvpocr?authSource=admin"]
    assert environment.connection("mongodb", mongo) == {"name": "gvpocr", "user": "a", "auth_source": "admin"}
    assert environment.connection("mongodb", ["X=mongodb://[broken", "Y=mongodb"]) == {}
    assert environment.connection("mongodb", rows) == {}, "another database's"


@pytest.mark.parametrize(
    "address", ["postgresql://app:pa/ss-s3cret@db:5432/orders", "postgres://app:x@db/a?b=c;s3cret"]
)
def test_no_part_of_a_password_is_a_name(address: str) -> None:
    assert "s3cret" not in str(environment.connection("postgresql", [f"DATABASE_URL={address}"]))


def test_what_a_source_says_of_its_queue_and_table() -> None:
    assert source.queue_name("redis", WORKER) == "thumbnails"
    assert source.queue_name("rabbitmq", 'channel.queue_declare(queue="jobs")') == "jobs"
    assert source.queue_name("nsq", WORKER) == ""
    table = source.table(WORKER)
    assert table and (table.name, table.columns) == ("thumbnails", ("id", "sharpness", "passes"))
    assert source.connection(WORKER) == {"name": "shop", "user": "worker"}
    assert source.connection("connect('host=db dbname=shop user=worker')") == {"name": "shop", "user": "worker"}
    assert source.connection("database = psycopg2.connect(ADDRESS)\nuser = None") == {}
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


PRINTS = {
    "worker.py": """
log.info("begins %s", parcel)
log.info("done %s in %.1f s", parcel, seconds)
log.warning("second lookup of %s with %s", parcel, street)
log.info("precision raised")
log.info("x %s", parcel)
log.info("%s", anything)
log.info("two\\nlines of the change")
""",
    "feed.py": 'log.info("precision raised")\n',
}
PRINTED_BEFORE = """
log.info("begins %s", parcel)
log.info("done %s in %.1f s", parcel, seconds)
log.info("%s", everything)
"""


def all_said(texts: dict[str, str]) -> list[source.Said]:
    return [one for path, text in texts.items() for one in source.lines_of(path, text)]


def test_lines_that_only_the_change_prints_are_proposed() -> None:
    """Neither what an old or another file prints too, nor what is too short to be told from others."""
    others = {"worker.py": PRINTED_BEFORE, "feed.py": PRINTS["feed.py"]}
    found = printed.of_the_change(all_said(PRINTS), others, {"worker.py"}, "")
    assert [one.text for one in found] == ["second lookup of {} with {}"]
    assert re.search(found[0].pattern(), printed.example(found[0]))
    assert not printed.of_the_change(all_said(PRINTS), PRINTS, {"worker.py"}, "")
    assert not printed.of_the_change(all_said(PRINTS), others, set(), "")


@pytest.mark.parametrize(
    "old",
    [
        'log.error("second lookup of %s with %s", a, b)',
        'log.info("second lookup of {} with".format(a))',
        'x = "second lookup of %s with" % a',
    ],
)
def test_a_line_that_old_code_prints_in_another_way_is_not_proposed(old: str) -> None:
    """It would be NO-GO after every rollback."""
    found = printed.of_the_change(all_said(PRINTS), {"worker.py": old, "feed.py": PRINTS["feed.py"]}, {"worker.py"}, "")
    assert "second lookup of {} with {}" not in [one.text for one in found]


def test_lines_that_the_log_has_come_first_and_there_are_three_at_most() -> None:
    names = ("alpha", "bravo", "charlie", "delta")
    lines = all_said({"worker.py": "\n".join(f'log.info("attempt of {name}")' for name in names)})
    found = printed.of_the_change(lines, {}, {"worker.py"}, "2026 INFO attempt of delta\n")
    assert [one.text.split()[-1] for one in found] == ["delta", "alpha", "bravo"]


@pytest.mark.parametrize(
    "written",
    ["./config/worker.env", "[config/worker.env, other.env]", "[{path: ./config/worker.env, required: true}]"],
)
def test_an_env_file_is_given_to_services_as_a_whole(written: str) -> None:
    """A stranger's change was a value in such a file: it was not proposed, and its rollback was GO without it."""
    compose = f"services: {{worker: {{env_file: {written}}}, web: {{env_file: web.env}}, db: {{}}}}"
    assert differences.given_to(compose, "config/worker.env") == ["worker"]
    assert differences.given_to(compose, "missing.env") == []
    assert differences.is_env("config/worker.env")
    assert not differences.is_env("config/env.py")


def test_several_compose_files_add_up() -> None:
    text = "services: {worker: {image: a}}\n---\nservices: {worker: {environment: {X: '${LEVEL}'}}, web: {image: b}}"
    assert [use.service for use in differences.uses(text, "LEVEL")] == ["worker"]
    more = "services: {worker: {environment: ['A=${A}'], env_file: a.env}}\n---\nservices: {worker: {ports: !reset [], environment: {B: x}, env_file: b.env}}"
    assert [use.variable for use in differences.uses(more, "A")] == ["A"]
    assert [differences.given_to(more, name) for name in ("a.env", "b.env")] == [["worker"]] * 2
    assert differences.in_compose("services: {worker: {image: a}}", text)[0].key == "services.worker.environment.X"


def test_a_task_that_is_picked_up_is_no_start() -> None:
    text = 'log.info("lease %s picked up", fields["ref"])\nlog.info("extractor %s up, mode=%s", me, MODE)\n'
    found = source.ready(source.lines_of("worker.py", text), "extractor a up, mode=b\nlease 7 picked up\n")
    assert found and found.text == "extractor {} up, mode={}"


SETTINGS = 'STREAM = "lease.inbox"\nGROUP: str = "extractors"\nNAME = "a"\nNAME = "b"\n'


@pytest.mark.parametrize(
    ("text", "name", "group"),
    [
        ('r.xreadgroup(settings.GROUP, me, {settings.STREAM: ">"}, count=1)', "lease.inbox", "extractors"),
        ('r.xreadgroup(groupname="g", consumername=me, streams={"s": ">"})', "s", "g"),
        ("r.brpop(STREAM)", "lease.inbox", ""),
        ('r.lpush("dead", x); r.brpop(STREAM)', "lease.inbox", ""),
        ('r.brpop(settings.queue); r.lpush("dead", x)', "", ""),
        ("r.brpop(NAME)", "", ""),
        ("r.brpop(UNKNOWN)", "", ""),
    ],
)
def test_a_name_may_be_a_constant(text: str, name: str, group: str) -> None:
    """Of one value; what may be two is to be found."""
    assert source.queue_name("redis", text, SETTINGS + text) == name
    assert source.group(SETTINGS + text) == group


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("%(asctime)s | %(levelname)-7s | %(name)s | %(message)s", "2026-11-27 12:00:00,1 | ERROR   | a | it failed"),
        ("%(levelname)s:%(name)s:%(message)s", "ERROR:a:it failed"),
        ("[%(levelname)s] %(message)s", "[ERROR] it failed"),
        ("[%(levelname)8s] %(message)s", "[   ERROR] it failed"),
        ("%(created)f|%(levelname)s|%(message)s", "1795694400.1|ERROR|it failed"),
    ],
)
def test_error_lines_are_as_the_source_formats_them(written: str, line: str) -> None:
    log = "2026 " + line.replace("ERROR", "INFO")
    other = 'logging.basicConfig(format="<%(levelname)s>")'
    form = re.compile(source.error(log, f'{other}; logging.basicConfig(format="{written}")'))
    assert form.search(line)
    assert not form.search(line.replace("ERROR", "INFO"))
    assert not form.search(line.replace("ERROR", "INFO") + " after an ERROR")
    assert form.search("Traceback (most recent call last):")


def test_a_format_of_another_program_is_not_taken() -> None:
    """One that the log has no line of would let errors pass."""
    for written in ('format="<%(levelname)s>"', 'format="%(asctime)s | " "%(levelname)s"', 'format="%(levelname).1s "'):
        log = "2026 12:00 | INFO worker ready\n"
        assert source.error(log, written) == source.error(log)


def test_the_number_of_a_redis_database_is_in_its_address() -> None:
    assert environment.redis_database(["A=b", "REDIS_URL=redis://streams:6379/2"]) == 2
    assert environment.redis_database(["REDIS_URL=redis://streams:6379"]) == 0
    assert environment.redis_database(["CACHE_URL=redis://cache:6379/3", "REDIS_URL=redis://streams:6379"]) == 0
