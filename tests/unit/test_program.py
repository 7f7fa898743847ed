"""The command line, as people type it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke.config import Config
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser import Parser

from rollback_gate.launcher import as_called
from rollback_gate.model import MEANING, ExitCode
from rollback_gate.tasks.chain import Grammar, SharedArguments
from rollback_gate.tasks.collection import collection
from rollback_gate.tasks.groups import GROUPS
from rollback_gate.tasks.program import OPTIONS, program
from tests.unit.builders import ROOT


def grammar() -> Grammar:
    made = program(ROOT, "rollback-gate")
    made.create_config()
    made.parse_core(["rollback-gate"])
    made.parse_collection()
    tasks = made._make_parser().contexts
    words = {name: getattr(made.collection[name].body, "word", "") for name in tasks}
    return Grammar(tasks, made.initial_context, words)


GRAMMAR = grammar()


def called(*words: str, launcher: str = "rollback-gate", **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ROLLBACK_GATE_LAUNCHER": launcher, "DOCKER_HOST": "tcp://127.0.0.1:1", **environ}
    command = [sys.executable, "-P", "-m", "rollback_gate", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("rollback verify --despite-assessment", "rollback --despite-assessment verify"),
        ("rollback verify --reason x", "rollback --reason x verify"),
        ("rollback verify --reason=x", "rollback --reason=x verify"),
        ("--reason verify rollback verify", "rollback --reason verify verify"),
        ("rollback --keep-going verify", "rollback verify --keep-going"),
        ("rollback --reason x verify --since t", "rollback --reason x verify --since t"),
        ("record.check report.html", "record.check --record report.html"),
        ("record.show --record a", "record.show --record a"),
        ("record.show", "record.show"),
        ("rollback verify record.show", "rollback verify record.show"),
        ("ticket.attach INC-42 --dry-run", "ticket.attach --ticket INC-42 --dry-run"),
        ("actions.done approval --by ana", "actions.done approval --by ana"),
        ("actions.done verify --by ana", "actions.done verify --by ana"),
        ("rollback verify --set a=1", "rollback verify --set a=1"),
        ("verify --help", "verify --help"),
        ("verify --nonsense", "verify --nonsense"),
        ("rollback verify --dry-run", "rollback verify --dry-run"),
        ("rollback verify -- --reason x", "rollback verify -- --reason x"),
        ("rollback --since t assess verify", "rollback --since t assess verify"),
        ("--since t rollback verify", "rollback verify --since t"),
    ],
)
def test_options_work_in_any_order(typed: str, expected: str) -> None:
    """Each goes to the task that has it; what means another thing for each task stays where it is."""
    assert GRAMMAR.in_place(typed.split()) == expected.split()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("verfy", ("verfy", "")),
        ("rollback verify --despit", ("--despit", "verify")),
        ("rollback verify --dry-run", ("--dry-run", "verify")),
        ("verify now", ("now", "verify")),
        ("actions.done approval --by ana", None),
        ("actions.done approval extra", ("extra", "actions.done")),
        ("rollback --reason verfy verify", None),
        ("verify --help", None),
        ("record.show --record a b", ("b", "record.show")),
        ("rollback --since t assess verify", ("--since", "rollback")),
    ],
)
def test_the_first_word_that_is_nothing(typed: str, expected: tuple[str, str] | None) -> None:
    assert GRAMMAR.unknown(typed.split()) == expected


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("verfy", "there is no command 'verfy'\n  → did you mean verify?"),
        ("record.shw", "did you mean record.show"),
        ("xyzzy", "→ rollback-gate --help lists the commands"),
        ("verify --sinc x", "verify has no option '--sinc'\n  → did you mean --since?"),
        ("rollback verify --dry-run", "verify has no option '--dry-run'\n  → it belongs behind one of: "),
        ("verify --xyzzy", "→ rollback-gate --help verify"),
    ],
)
def test_what_was_mistyped_gets_a_suggestion(typed: str, says: str) -> None:
    done = called(*typed.split())
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert says in done.stderr


def test_name_and_version_are_ours() -> None:
    assert re.fullmatch(r"rollback-gate \d+\.\d+\.\d+\n", called("--version").stdout)


def test_help_shows_our_options_and_every_exit_status() -> None:
    shown = called("--help").stdout
    assert "command-timeout" not in shown
    assert "--print-completion-script" in shown
    for code in ExitCode:
        assert re.search(rf"^  {int(code)} +\S", shown, re.MULTILINE), code
    assert set(MEANING) == {*ExitCode, 1}


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    command = f"{sys.executable} -P -m rollback_gate --help | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.startswith("Usage"), done.stderr) == (True, "")


def test_every_option_of_the_help_exists() -> None:
    flags = {flag for names, _ in OPTIONS for flag in re.findall(r"--?[\w-]+", names)}
    assert [flag for flag in flags if flag not in GRAMMAR.core.flags] == []


def test_every_command_is_in_one_group_of_the_help() -> None:
    """Those of developers are what is left."""
    grouped = [name for _, names in GROUPS for name in names]
    assert len(grouped) == len(set(grouped))
    assert [name for name in grouped if name not in GRAMMAR.tasks] == []
    listed = {min([name, *aliases], key=len) for name, aliases in collection(ROOT).task_names.items()}
    assert listed - set(grouped) == {"selftest", "mutate", "lint", "test", "bench", "lab.pages", "lab.pictures"}


def test_help_of_a_task_explains_its_options() -> None:
    shown = called("--help", "verify").stdout
    assert re.search(r"--keep-going +measure everything", shown)
    assert "Usage: rollback-gate verify [OPTIONS]" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_our_name(shell: str) -> None:
    assert "rollback-gate" in called("--print-completion-script", shell).stdout


def test_completion_names_tasks_and_options() -> None:
    assert "rollback.undo" in called("--complete", "--", "rollback-gate ").stdout.split()
    assert "--keep-going" in called("--complete", "--", "rollback-gate verify -").stdout.split()


def shared(*words: str) -> list[Any]:
    """Values of --set of each task, once the chain has been told."""
    contexts = Parser(contexts=collection(ROOT).to_contexts()).parse_argv(list(words))
    seen: list[Any] = []

    class Kept(SharedArguments):
        def normalize(self, tasks: Any) -> Any:
            seen.extend(list(task.args["set"].value) for task in tasks)
            return []

    Kept(collection(ROOT), Config(), None).execute(*contexts)
    return seen


def test_settings_of_a_chain_are_added_up() -> None:
    """Two different ones were refused; of the same key the last one counts, as for one task."""
    assert shared("rollback", "--set", "a=1", "verify", "--set", "b=2") == [["a=1", "b=2"]] * 2
    assert shared("rollback", "verify", "--set", "b=2") == [["b=2"]] * 2
    assert shared("rollback", "verify") == [[], []]


@pytest.mark.parametrize("typed", ["verify --set a=1 gate --set a=2", "rollback --profile a verify --profile b"])
def test_one_key_has_one_value_in_a_chain(typed: str) -> None:
    """What is written behind gate must not weaken verify."""
    with pytest.raises(Exit, match="given twice with different values"):
        shared(*typed.split())
    assert shared(*["verify", "--set", "a=1", "--set", "a=2", "gate"]) == [["a=1", "a=2"]] * 2


@pytest.mark.parametrize("typed", ["rollback -- --dry-run", "verify -- x"])
def test_nothing_may_follow_two_dashes(typed: str) -> None:
    """Invoke would drop it: `rollback -- --dry-run` would roll back."""
    done = called(*typed.split())
    assert (done.returncode, "nothing may follow --" in done.stderr) == (1, True)


@pytest.mark.parametrize("typed", ["--dry lab.down", "rollback verify --dry", "--dry bench"])
def test_what_has_no_dry_run_does_nothing_then(typed: str) -> None:
    done = called(*typed.split())
    assert (done.returncode, "has no dry run: nothing was done" in done.stderr) == (2, True), done.stderr


def test_two_profiles_of_one_chain_are_refused() -> None:
    done = called("rollback", "--profile", "a.toml", "verify", "--profile", "b.toml")
    assert done.returncode == 2
    assert "given twice with different values: a.toml and b.toml" in done.stderr


@pytest.mark.parametrize("launcher", ["./bootstrap", "./bootstrap invoke", "rollback-gate", "/opt/gate/bootstrap"])
def test_what_is_printed_is_called_as_the_operator_calls_it(launcher: str, tmp_path: Path) -> None:
    done = called("record.show", launcher=launcher, ROLLBACK_GATE_REPORTS=str(tmp_path))
    assert done.returncode == 2
    assert f"→ {launcher} record.list shows" in done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("invoke verify", "gate verify"),
        ("  → invoke actions.done x --by WHO", "  → gate actions.done x --by WHO"),
        ("`invoke rollback.resume` goes on, `invoke rollback.undo` reverts", None),
        ("mend the server, then invoke assess", "mend the server, then gate assess"),
        ("1. invoke rollback.history\n2. invoke rollback.status", "1. gate rollback.history\n2. gate rollback.status"),
        ("somebody wrote 'invoke test' there", "somebody wrote 'invoke test' there"),
        ("they invoke verify in their code", "they invoke verify in their code"),
        ("invoke verification", "invoke verification"),
        ("invoke x", "invoke x"),
    ],
)
def test_only_commands_of_ours_are_changed(text: str, expected: str | None) -> None:
    """A reason or a log line with the same words in it stays as it is."""
    assert as_called(text, "gate") == (text.replace("invoke", "gate") if expected is None else expected)
    assert as_called(text, "invoke") == text


def test_tasks_of_plain_invoke_know_how_they_were_called() -> None:
    assert Context(Config(overrides=collection(ROOT).configuration())).config["launcher"] == "invoke"


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_fits_the_terminal(columns: str) -> None:
    """At 40 columns too: what a command does stands below its name then."""
    script = f"stty cols {columns} 2>/dev/null; {sys.executable} -P -m rollback_gate --help"
    environment = {**os.environ, "ROLLBACK_GATE_LAUNCHER": "gate", "COLUMNS": columns, "TERM": "xterm"}
    command = ["script", "-qec", script, "/dev/null"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    lines = done.stdout.replace("\r", "").splitlines()
    assert len(lines) > 40
    assert max(map(len, lines)) <= int(columns)
