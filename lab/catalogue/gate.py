"""Sabotage of the gate itself, its evidence and its record."""

from __future__ import annotations

from dataclasses import replace

from lab import leaks
from lab.catalogue import entry as ask
from lab.catalogue import plant
from lab.catalogue.code import one_replica_new, tag_moved
from lab.catalogue.entry import CODE, COMPLETENESS, GO, INCONCLUSIVE, NO_GO, OLDER_PROCESS, Entry, Judged
from lab.catalogue.services import reconfigured, replaced_behind
from lab.operator import Operator
from lab.reference import ORCHESTRATOR, WORKER, Lab

KEY = "a key that only the lab has"
SIGNED = "def test_clocks_agree("


def log_level(lab: Lab, level: str) -> None:
    plant.change(lab, plant.CONFIG, 'os.environ.get("LOG_LEVEL", "INFO")', f'"{level}"')
    plant.restart(lab, wait=False)
    lab.wait(lambda: len(plant.consumers(lab)) == 2, "the consumers")


def no_log(lab: Lab) -> None:
    """Disable the log, as an operator might to save disk space."""
    compose = lab.directory / "docker-compose.yml"
    compose.write_text(
        compose.read_text().replace(f"  {WORKER}:\n", f"  {WORKER}:\n    logging: {{driver: none}}\n", 1)
    )
    lab.recreate(WORKER)
    lab.wait(lambda: len(plant.consumers(lab)) == 2, "the consumers")


def hidden_phase1(lab: Lab) -> None:
    lab.put_files("phase1")
    log_level(lab, "ERROR")
    plant.old_files(lab)


def coloured(lab: Lab) -> None:
    words = [f"\x1b[33m{word}\x1b[0m" for word in plant.PHASE1_LINE.split(" ")]
    plant.log(lab, (" ".join(words) + "\n").encode())


def gigabyte(lab: Lab) -> None:
    """Long lines: the question is whether all of it is read, not how fast short lines are (see `invoke bench`)."""
    half, line = 512, b"INFO:x:" + b"y" * (1 << 20) + b"\n"
    plant.log(lab, line, times=half)
    plant.log(lab, f"{plant.PHASE1_LINE}\n".encode())
    plant.log(lab, line, times=half)


def secrets(operator: Operator, entry: Entry) -> Judged:
    """The verdict is GO only if no secret can be read in what was printed or written."""
    password = operator.lab.settings["LAB_MONGO_PASSWORD"]
    lines = (
        f"ERROR:x:cannot connect to mongodb://gvpocr_admin:{password}@mongodb:27017",
        "ERROR:x:settings: API_TOKEN=hunter22-of-nobody",
        "ERROR:x:Authorization: Bearer bearer-of-nobody",
        f"INFO:x:the key is {KEY}",
    )
    plant.log(operator.lab, "".join(f"{line}\n" for line in lines).encode())
    judged = ask.verify(operator, entry, ROLLBACK_GATE_SIGNING_KEY=KEY)
    texts = {"the terminal": judged.output} | leaks.files(operator.newest_record()["folder"])
    found = leaks.leaks(texts, {password, KEY, "hunter22-of-nobody", "bearer-of-nobody"})
    return replace(judged, verdict=f"leaked into {', '.join(found)}") if found else judged


def edited_while_judged(lab: Lab) -> None:
    path = lab.directory / ORCHESTRATOR
    path.write_text(path.read_text() + "# later\n")


ENTRIES = (
    *(
        Entry(
            f"environment-{name}",
            "gate",
            f"{value} in the environment, on a broken rollback",
            NO_GO,
            CODE,
            ("older than", "logs what only the change logs"),  # on a busy machine, the log shows it first
            one_replica_new,
            judge=ask.with_environment(**{key: value}),
        )
        for name, key, value in (
            ("deselects", "PYTEST_ADDOPTS", "-k nothing"),
            ("collects-only", "PYTEST_ADDOPTS", "--collect-only"),
            ("without-conftest", "PYTEST_ADDOPTS", "--noconftest -p no:rollback_gate"),
            ("without-asserts", "PYTHONOPTIMIZE", "2"),
            ("other-plugins", "PYTEST_PLUGINS", "does_not_exist"),
        )
    ),
    Entry(
        "suite-without-a-test",
        "gate",
        "a test of the gate was renamed",
        INCONCLUSIVE,
        COMPLETENESS,
        "did not run",
        judge=ask.with_suite("def test_clocks_agree(", "def older_test_clocks_agree("),
        shows_in_readings=False,
    ),
    Entry(
        "suite-with-a-skip",
        "gate",
        "a test of the gate is skipped",
        INCONCLUSIVE,
        COMPLETENESS,
        "did not run",
        judge=ask.with_suite("def test_clocks_agree(", "@__import__('pytest').mark.skip\ndef test_clocks_agree("),
        shows_in_readings=False,
    ),
    Entry(
        "suite-with-an-xfail",
        "gate",
        "a test of the gate is expected to fail",
        INCONCLUSIVE,
        COMPLETENESS,
        "the test ended",
        judge=ask.with_suite("def test_clocks_agree(", "@__import__('pytest').mark.xfail\ndef test_clocks_agree("),
        shows_in_readings=False,
    ),
    Entry(
        "suite-without-a-claim",
        "gate",
        "a test of the gate asserts nothing",
        INCONCLUSIVE,
        COMPLETENESS,
        "without a conclusion",
        judge=ask.with_suite("assert documents.have_comparable_times", "pass"),
        shows_in_readings=False,
    ),
    Entry(
        "suite-killed",
        "gate",
        "SIGKILL to the checks",
        INCONCLUSIVE,
        "",
        "killed by signal 9",
        judge=ask.killed("suite"),
    ),
    Entry(
        "verify-killed",
        "gate",
        "SIGKILL to verify itself",
        INCONCLUSIVE,
        "",
        "verify has begun and has not ended",
        judge=ask.killed("verify"),
    ),
    Entry(
        "out-of-time",
        "gate",
        "verify does not end in time",
        INCONCLUSIVE,
        "",
        "stopped after 2 s, its time limit",
        settings=("limits.verify_s=2", "limits.soak_s=60"),
        judge=lambda operator, entry: ask.Judged((done := ask.verify(operator, entry)).verdict, done.output, {}),
    ),
    Entry(
        "report-edited",
        "gate",
        "the page was edited after a GO",
        INCONCLUSIVE,
        "",
        "cannot be relied on",
        judge=ask.gate(ask.edit_report),
    ),
    Entry(
        "report-turned",
        "gate",
        "a NO-GO was made a GO by hand",
        INCONCLUSIVE,
        "",
        "cannot be relied on",
        judge=ask.gate(ask.turn_to_go),
    ),
    Entry(
        "report-forged",
        "gate",
        "a whole GO was written without the key",
        INCONCLUSIVE,
        "",
        "not signed with the key",
        judge=ask.gate(ask.forge, key=KEY),
    ),
    Entry(
        "newest-report-taken-away",
        "gate",
        "a NO-GO that came after the GO was moved away",
        INCONCLUSIVE,
        "",
        "the newest one is",
        judge=ask.gate(ask.take_the_newest_away, key=KEY),
    ),
    Entry(
        "older-report-taken-away",
        "gate",
        "a record from before the GO was removed",
        INCONCLUSIVE,
        "",
        "was taken away or changed",
        judge=ask.after_another_verify(ask.gate(ask.take_an_older_one_away)),
    ),
    Entry(
        "older-report-left",
        "gate",
        "an older GO lies beside a verify that was killed",
        INCONCLUSIVE,
        "",
        "the record says INCONCLUSIVE",
        judge=ask.gate(ask.kill_a_later_verify),
    ),
    Entry(
        "report-too-old",
        "gate",
        "the GO is older than allowed",
        INCONCLUSIVE,
        "",
        "old, more than",
        judge=ask.gate(lambda _: None, "--max-age", "0s"),
    ),
    Entry(
        "restarted-after-the-report",
        "gate",
        "a replica was restarted after the GO",
        INCONCLUSIVE,
        "",
        "was restarted",
        judge=ask.gate(lambda operator: plant.restart(operator.lab, operator.lab.containers(WORKER)[0])),
    ),
    Entry(
        "edited-after-the-report",
        "gate",
        "the bind-mounted file was changed after the GO",
        INCONCLUSIVE,
        "",
        "is another file now",
        judge=ask.gate(lambda operator: edited_while_judged(operator.lab)),
    ),
    Entry(
        "mount-replaced-after-the-report",
        "gate",
        "the folder behind the mount was replaced after the GO",
        INCONCLUSIVE,
        "",
        "is another file now",
        judge=ask.gate(lambda operator: replaced_behind(operator.lab, "phase1")),
    ),
    Entry(
        "image-moved-after-the-report",
        "gate",
        "the image's name means Phase 1 after the GO",
        INCONCLUSIVE,
        "",
        "is another image now",
        variants=("image", "build"),
        judge=ask.gate(lambda operator: tag_moved(operator.lab)),
    ),
    Entry(
        "configured-after-the-report",
        "gate",
        "the Compose file was changed after the GO",
        INCONCLUSIVE,
        "",
        "would get another configuration now",
        judge=ask.gate(lambda operator: reconfigured(operator.lab)),
    ),
    Entry(
        "report-holds",
        "gate",
        "nothing has changed since the GO, and it is signed",
        GO,
        "",
        "open:",
        judge=ask.gate(lambda _: None, key=KEY),
    ),
    Entry(
        "edited-meanwhile",
        "gate",
        "the file is changed while the checks run",
        INCONCLUSIVE,
        CODE,
        "changed while the checks ran",
        settings=("limits.soak_s=6",),
        judge=ask.meanwhile("soak: watching", edited_while_judged),
    ),
    Entry(
        "no-log",
        "gate",
        "log driver none: errors cannot be counted",
        INCONCLUSIVE,
        "worker_running",
        "log driver is 'none'",
        no_log,
    ),
    Entry(
        "log-level-critical",
        "gate",
        "the log level hides everything",
        INCONCLUSIVE,
        "worker_running",
        "logged nothing that could be read",
        lambda lab: log_level(lab, "CRITICAL"),
    ),
    Entry(
        "log-level-on-new-code",
        "gate",
        "the log level hides Phase 1's lines; it runs, over old files",
        NO_GO,
        CODE,
        OLDER_PROCESS,
        hidden_phase1,
    ),
    Entry(
        "environment-on-a-healthy-one",
        "gate",
        "-k nothing in the environment, on a healthy rollback",
        GO,
        judge=ask.with_environment(PYTEST_ADDOPTS="-k nothing --deselect tests/gate"),
    ),
    Entry(
        "coloured-log", "gate", "Phase 1's lines are in colours", NO_GO, CODE, "logged error classification", coloured
    ),
    Entry(
        "gigabyte-of-log",
        "gate",
        "one line of Phase 1 in the middle of a gigabyte",
        NO_GO,
        CODE,
        "logged error classification",
        gigabyte,
    ),
    Entry(
        "secrets-in-the-log",
        "gate",
        "passwords, keys and tokens in the log: none in any finished file",
        GO,
        judge=secrets,
    ),
    Entry(
        "nothing-to-judge",
        "gate",
        "another project's name in the profile",
        INCONCLUSIVE,
        "worker_running",
        "is it the right engine",
        settings=("deployment.project=nobody",),
        judge=lambda operator, entry: ask.verify(operator, entry),
    ),
)
