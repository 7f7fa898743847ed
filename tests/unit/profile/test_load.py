"""Whole messages are pinned: they are what the operator sees at three in the morning."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rollback_gate.errors import WrongSetting
from rollback_gate.profile.afterwards import MESSAGE_FIELDS
from rollback_gate.profile.deployment import Only
from rollback_gate.profile.load import database_password, load
from rollback_gate.profile.logs import Logs
from rollback_gate.profile.schema import Profile
from rollback_gate.profile.systems import MongodbDatabase
from tests.unit.builders import ROOT, phase1

PHASE1 = ROOT / "profiles" / "phase1.toml"
HELP = "\n  → docs/profile.md has every key"


def message(*settings: str, environ: dict[str, str] | None = None, path: Path = PHASE1) -> str:
    with pytest.raises(WrongSetting) as caught:
        load(path, environ or {}, settings)
    return str(caught.value)


def test_the_annotated_profile_is_valid() -> None:
    assert phase1().name == "phase1"


def test_the_annotated_profile_names_every_setting() -> None:
    """It is the manual of the format: a key that it does not mention does not exist for its reader."""
    text = PHASE1.read_text()
    models: tuple[tuple[str, Any], ...] = (
        ("limits", phase1().limits),
        ("completeness", phase1().completeness),
        ("database", phase1().database),
        ("deployment", phase1().deployment),
        ("messages", phase1().messages),
        ("services.enrichment-worker", phase1().services["enrichment-worker"]),
        ("change", phase1().files[0]),
    )
    for section, model in models:
        for name in type(model).model_fields:
            assert f"\n{name} = " in text or f"\n# {name} = " in text or f"[{section}.{name}]" in text, (
                f"{section}.{name}"
            )


@pytest.mark.parametrize(
    "line", [line for line in PHASE1.read_text().splitlines() if line.startswith("# ") and " = " in line]
)
def test_a_default_in_the_manual_is_the_schemas(line: str) -> None:
    """The commented defaults say what the code does."""
    import tomllib

    try:
        ((key, value),) = tomllib.loads(line[2:]).items()
    except tomllib.TOMLDecodeError:
        return  # prose
    sections = [
        phase1().limits,
        phase1().completeness,
        phase1().database,
        phase1().deployment,
        phase1().queue,
        phase1().upstream,
        phase1().messages,
        phase1().ticket,
        phase1().triggers,
        phase1().files[0],
        phase1().services["enrichment-worker"],
        phase1(),
    ]
    known = [type(s).model_fields[key].default for s in sections if s and key in type(s).model_fields]
    if key != "password_file":
        assert value in [list(d) if isinstance(d, tuple) else d for d in known]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("limits.nope=1", "limits.nope: Extra inputs are not permitted (from command line)"),
        (
            "services.enrichment-worker.replicas=0",
            "services.enrichment-worker.replicas: Input should be greater than or equal to 1 (from command line)",
        ),
        (
            "deployment.project_directory=here",
            "deployment: Value error, project_directory must be an absolute path: "
            "no command depends on where it is called",
        ),
        (
            "queue.address=http://x:1",
            "queue.address: Value error, must be host:port; credentials come from the "
            "environment or a file (from command line)",
        ),
        (
            "change=[{kind='removed', path='/etc'}]",
            "change.10.path: Value error, must be a path inside the project directory, without '..'",
        ),
        (
            "change=[{kind='removed', path='a/b'}, {kind='removed', path='a'}]",
            "profile: Value error, change: two items overlap: a/b and a",
        ),
        ("limits.soak_s=0", "limits.soak_s: Input should be greater than or equal to 1 (from command line)"),
        (
            "completeness.low=0.9",
            "completeness: Value error, must be ordered: critical < low <= expected <= high",
        ),
        (
            "completeness.changed=0.28",
            "completeness: Value error, changed must lie outside the band: what lies in it tells nothing; or leave it out",
        ),
        (
            "logs.connected='NSQ Consumer created, starting to consume messages'",
            "logs: Value error, logs.connected could never match: logs.consuming takes every such line",
        ),
        ("logs.completed='x'", "logs: Value error, logs.completed must have a group (?P<task>...)"),
        ("logs.consuming='('", "logs.consuming: Input should be a valid regular expression (from command line)"),
    ],
)
def test_messages_name_the_key(setting: str, expected: str) -> None:
    assert message(setting) == f"{PHASE1}: {expected}{HELP}"


def test_an_example_that_its_pattern_does_not_match_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    noise = '[[logs.noise]]\nname = "n"\npattern = "a"\nexample = "b"'
    path.write_text(f'format = 3\nextends = "{PHASE1}"\n{noise}\n')
    assert "the example of 'n' is not matched by its own pattern" in message(path=path)


@pytest.mark.parametrize("key", ["database.password", "database.uri"])
def test_secrets_are_never_settings(key: str) -> None:
    """And what was given is not repeated in the message."""
    text = message(f"{key}=hunter22")
    assert f"{key} (from command line): secrets are never settings" in text
    assert "hunter22" not in text


def test_layers_and_origins(tmp_path: Path) -> None:
    """Extended profile, profile, environment, command line: the later wins and is remembered."""
    path = tmp_path / "p.toml"
    path.write_text(f'extends = "{PHASE1}"\n[limits]\nsoak_s = 1\nprobe_s = 1\nstart_s = 1\n[queue]\naddress = "q:1"\n')
    environ = {
        "ROLLBACK_GATE__LIMITS__PROBE_S": "2",
        "ROLLBACK_GATE__LIMITS__START_S": "2",
        "ROLLBACK_GATE_PROFILE": "x",
    }
    settings = load(path, environ, ["limits.start_s=3"])
    limits = settings.profile.limits
    assert (limits.soak_s, limits.probe_s, limits.start_s) == (1, 2, 3)
    assert settings.origins["limits.soak_s"] == f"profile {path}"
    assert settings.origins["limits.probe_s"] == "environment ROLLBACK_GATE__LIMITS__PROBE_S"
    assert settings.origins["limits.start_s"] == "command line"
    assert settings.origins["queue.topic"] == f"profile {PHASE1}"
    assert settings.files == (PHASE1, path)


def test_a_profile_that_extends_itself(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('extends = "p.toml"\n')
    assert "extends itself" in message(path=path)


def test_a_missing_file_and_a_setting_without_value(tmp_path: Path) -> None:
    assert message(path=tmp_path / "none") == (
        f"profile {tmp_path}/none: No such file or directory\n  → name one with --profile, or in ROLLBACK_GATE_PROFILE"
    )
    assert message("limits.soak_s") == (
        "--set limits.soak_s: not of the form key=value\n  → for example --set limits.soak_s=30"
    )


def of_phase1(*settings: str) -> MongodbDatabase:
    database = phase1(*settings).database
    assert isinstance(database, MongodbDatabase)
    return database


def test_password_from_environment_then_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-file\n")
    database = of_phase1(f"database.password_file={file}")
    assert database_password(database, {}).get_secret_value() == "from-file"
    environ = {"ROLLBACK_GATE_DATABASE_PASSWORD": "from-env"}
    assert database_password(database, environ).get_secret_value() == "from-env"
    with pytest.raises(WrongSetting, match="no password for the database"):
        database_password(of_phase1(), {})


def test_a_password_file_that_is_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mongodb-password")
    with pytest.raises(WrongSetting, match="mongodb-password cannot be read"):
        database_password(of_phase1(f"database.password_file={tmp_path / 'mongodb-password'}"), {})


def test_named_entries_are_added_to_those_of_the_profile_that_is_extended(tmp_path: Path) -> None:
    """One pattern more needs one entry; one of the same name replaces it in its place; other lists are replaced."""
    noise = '[[logs.noise]]\nname = "{}"\npattern = "^ERROR:ours"\nexample = "ERROR:ours"\n'
    path = tmp_path / "p.toml"
    path.write_text(
        f"extends = \"{PHASE1}\"\n{noise.format('ours')}{noise.format('invalid task')}\n[[change]]\nkind = 'removed'\npath = 'x'\nonly = 'full'\n"
    )
    before, after = phase1().logs.noise, load(path, {}).profile.logs.noise
    assert [form.name for form in after] == [*(form.name for form in before), "ours"]
    replaced = next(form for form in after if form.name == "invalid task")
    assert replaced.pattern.pattern == "^ERROR:ours"
    assert load(path, {}).profile.removed(Only.FULL) == (*phase1().removed(Only.FULL), "x")


@pytest.mark.parametrize("address", ["[::1]:3003", "localhost:3003", "10.0.0.1:3003", "[fe80::1%25eth0]:3003"])
def test_an_address_of_either_kind(address: str) -> None:
    assert getattr(phase1(f'upstream.address="{address}"').upstream, "address", "") == address


@pytest.mark.parametrize("address", ["::1:3003", "fe80::1:3003", "[::1]", "::1"])
def test_an_address_without_its_brackets_would_be_another_one(address: str) -> None:
    with pytest.raises(WrongSetting, match=r"host:port|stands in brackets"):
        phase1(f'upstream.address="{address}"')


REST = PHASE1.read_text()


def without(*sections: str) -> str:
    """Phase 1's profile without these sections."""
    tables = tomllib.loads(REST)
    return json.dumps({key: value for key, value in tables.items() if key not in sections})


@pytest.mark.parametrize(
    ("sections", "left_out", "words"),
    [
        (("completeness",), {}, "completeness: check `completeness` needs it"),
        (("queue",), {}, "queue: check `processing` needs it"),
        (("database",), {"processing": "x"}, "database: check `completeness` needs it"),
        (("completeness",), {"completeness": ""}, "at least 1 character"),
        ((), {"worker_running": "no time"}, "not_asked"),
        ((), {"new_behaviour": "no time"}, "not_asked"),
    ],
)
def test_a_check_is_left_out_by_name_and_never_by_forgetting(
    sections: tuple[str, ...], left_out: dict[str, str], words: str
) -> None:
    """Only the two that a service may not have; each with a reason."""
    with pytest.raises(ValidationError, match=re.escape(words)):
        Profile.model_validate(json.loads(without(*sections)) | {"not_asked": left_out})


def test_what_is_left_out_by_name_needs_no_section() -> None:
    left_out = {"completeness": "thumbnails have no score", "processing": "an API has no queue"}
    table = json.loads(without("completeness", "queue", "database", "probe")) | {"not_asked": left_out}
    for service in table["services"].values():
        service["consumes"] = False
    profile = Profile.model_validate(table)
    assert (profile.queue, profile.database, profile.completeness) == (None, None, None)
    assert profile.consumer == next(iter(profile.services))
    assert not profile.asks("processing")
    assert phase1().asks("processing")


def test_a_pattern_that_an_earlier_one_contains_could_never_match() -> None:
    """By its plain text; one that says more than a later one is fine."""
    logs = phase1().logs.model_dump()
    for connected, words in (("ready", None), ("ready to serve", "logs.connected could never match")):
        table = logs | {"consuming": "ready to" if words else "up and ready", "connected": connected}
        if words is None:
            assert Logs.model_validate(table).connected
            continue
        with pytest.raises(ValidationError, match=words):
            Logs.model_validate(table)


def test_a_small_profile_has_what_a_large_one_says() -> None:
    """Titles, messages and triggers have defaults, so that another team's profile stays small."""
    table = json.loads(without("titles", "messages", "triggers", "actions", "known", "upstream"))
    profile = Profile.model_validate(table)
    assert profile.titles.worker_running == "The service is running"
    assert profile.triggers.import_error.search("ModuleNotFoundError: No module named 'x'")
    assert profile.triggers.import_error.pattern == phase1().triggers.import_error.pattern
    assert profile.messages.end.body.format_map(dict.fromkeys(MESSAGE_FIELDS, "x"))


def test_an_entry_that_is_wrong_is_told_once(tmp_path: Path) -> None:
    """And not also as a list that is too short without it."""
    path = tmp_path / "profile.toml"
    path.write_text('format = 3\n[[change]]\nkind = "file"\npath = "a.py"\n')
    said = message(path=path)
    assert "change.0.backups: Field required" in said
    assert "at least 1 item" not in said


_STACK = ('deployment.platform="swarm"', 'deployment.files=["s.yml"]')
_CONFIG = {
    "kind": "config",
    "services": ["enrichment-worker"],
    "target": "/etc/a",
    "new": "a-2",
    "old": "a-1",
    "file": "s.yml",
    "key": "configs.a.name",
}


def with_items(*items: dict[str, Any], settings: tuple[str, ...] = _STACK) -> Profile:
    table = phase1(*settings).model_dump()
    return Profile.model_validate({**table, "change": [*table["change"], *items]})


def test_a_config_of_a_swarm_is_an_item() -> None:
    (item,) = with_items(_CONFIG).values
    assert (item.says, item.writings) == ("config /etc/a", (("a-2", "a-1"),))


@pytest.mark.parametrize(
    ("items", "settings", "says"),
    [
        ([_CONFIG], (), "a config is an object of a Swarm"),
        ([{**_CONFIG, "old": "a-2"}], _STACK, "old and new are the same config"),
        ([{**_CONFIG, "key": ""}], _STACK, "key"),
        ([_CONFIG, {**_CONFIG, "key": "configs.b.name"}], _STACK, "two items give enrichment-worker the config /etc/a"),
        ([{**_CONFIG, "target": "etc/a"}], _STACK, "target"),
    ],
)
def test_a_config_that_could_not_be_given_back_is_refused(
    items: list[dict[str, Any]], settings: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        with_items(*items, settings=settings)
