"""The question is asked by a real shell, about real files."""

from __future__ import annotations

import hashlib
import os
import py_compile
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from rollback_gate.change import code
from rollback_gate.change.code import Answer
from rollback_gate.change.reading import CodeReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Mount, Replica
from rollback_gate.profile.deployment import SettingItem
from rollback_gate.profile.schema import Profile
from tests.unit.builders import ORCHESTRATOR, phase1, replica

WORKER = "enrichment-worker"
OLD = "AGENT_TIMEOUT_SECONDS = 60\ndef f(max_retries: int = 3): ...\n"
NEW = "from enrichment_service.errors import x\nget_tool_timeout()\n"


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    root = tmp_path / "app with space"
    (root / "enrichment_service/workers").mkdir(parents=True)
    return phase1(f"services.enrichment-worker.root={root}")


def ask(script: str, *by: str) -> Answer:
    environ = {"PATH": os.environ["PATH"]}  # not this process's word on bytecode
    done = subprocess.run([*by, "/bin/sh", "-c", script], capture_output=True, text=True, check=False, env=environ)
    return Answer(done.returncode, done.stdout, done.stderr)


def root_of(profile: Profile) -> Path:
    return Path(profile.services[WORKER].root)


def orchestrator(profile: Profile) -> Path:
    return root_of(profile) / ORCHESTRATOR


def read(profile: Profile, *by: str) -> CodeReading:
    """`by`: a command that runs the question as somebody else."""
    reading = code.parse(profile, ask(code.script(profile, replica()), *by), replica())
    assert isinstance(reading, CodeReading), reading
    return reading


def test_old_code(profile: Profile) -> None:
    """Digest, times with their fraction, and which texts it holds; removed modules are gone."""
    path = orchestrator(profile)
    path.write_text(OLD)
    file = read(profile).files[0]
    assert file.digest == hashlib.sha256(OLD.encode()).hexdigest()
    assert file.modified_at is not None
    assert file.modified_at.ns == path.stat().st_mtime_ns
    assert (file.new, file.old) == ((), phase1().file(ORCHESTRATOR).old)
    assert read(profile).still_there == ()


def test_new_code_and_modules(profile: Profile) -> None:
    orchestrator(profile).write_text(NEW)
    (root_of(profile) / "enrichment_service/errors").mkdir()
    reading = read(profile)
    assert reading.files[0].new == ("enrichment_service.errors", "get_tool_timeout")
    assert reading.still_there == ("enrichment_service/errors",)


def test_missing_file_and_link(profile: Profile) -> None:
    assert not read(profile).files[0].exists
    orchestrator(profile).symlink_to("/nowhere")
    assert read(profile).files[0].is_link


def test_a_dangling_link_is_still_there(profile: Profile) -> None:
    (root_of(profile) / "enrichment_service/errors").symlink_to("/nowhere")
    assert read(profile).still_there == ("enrichment_service/errors",)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(1, "", "Error response from daemon: No such container"),
        Answer(0, "", ""),
        Answer(0, "file abc 1 1 /app/x\n", ""),
        Answer(124, "gone /app/x\n", ""),
        Answer(127, "", "sh: timeout: not found"),
        Answer(137, "end of reading", ""),
    ],
)
def test_anything_but_a_whole_answer_is_unmeasured(answer: Answer) -> None:
    """A dead container answers 1, for which testinfra's own `file.exists` would say that the module is gone."""
    assert isinstance(code.parse(phase1(), answer, replica()), Unmeasured)


@pytest.mark.parametrize("missing", ["sha256sum", "cat", "stat"])
def test_a_tool_that_is_missing_is_no_wrong_answer(profile: Profile, tmp_path: Path, missing: str) -> None:
    """Without sha256sum or cat the code is unmeasured, without stat only its times are."""
    orchestrator(profile).write_text(OLD)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in {"sh", "timeout", "sha256sum", "stat", "cat", "head"} - {missing}:
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    reading = code.parse(profile, ask(f"PATH={tools}; {code.script(profile, replica())}"), replica())
    if missing != "stat":
        assert isinstance(reading, Unmeasured)
    else:
        assert isinstance(reading, CodeReading)
        assert (reading.files[0].modified_at, reading.files[0].changed_at) == (None, None)
        assert reading.files[0].old == phase1().file(ORCHESTRATOR).old


def test_no_permission_is_not_gone() -> None:
    """Where a folder cannot be looked into, nothing can be said about what is in it."""
    answer = Answer(0, "hidden /app/enrichment_service/errors\nend of reading\n", "")
    reading = code.parse(phase1(), answer, replica())
    assert isinstance(reading, Unmeasured)
    assert "no permission to read /app/enrichment_service/errors" in reading.reason


def test_a_folder_without_permission_is_hidden_in_a_real_shell(profile: Profile, tmp_path: Path) -> None:
    """As a user without rights (root may look everywhere)."""
    folder = root_of(profile) / "enrichment_service"
    folder.chmod(0o000)
    for parent in [tmp_path, *tmp_path.parents][:4]:
        parent.chmod(parent.stat().st_mode | 0o005)
    script = code.script(profile, replica())
    if os.getuid() == 0:
        script = f"setpriv --reuid 65534 --regid 65534 --clear-groups sh -c {shlex.quote(script)}"
    reading = code.parse(profile, ask(script), replica())
    folder.chmod(0o755)
    assert isinstance(reading, Unmeasured)
    assert "no permission" in reading.reason


def mounted(profile: Profile) -> Replica:
    """The code is mounted: folders are looked at from the mount down."""
    return replica(mounts=(Mount("bind", "/srv/p", f"{root_of(profile)}/enrichment_service"),))


def asked(profile: Profile, one: Replica) -> CodeReading:
    reading = code.parse(profile, ask(code.script(profile, one)), one)
    assert isinstance(reading, CodeReading), reading
    return reading


def test_a_folder_that_was_moved_itself_has_changed(profile: Profile) -> None:
    """A move leaves the time of its content and sets that of its inode; so does setting the first one back."""
    orchestrator(profile).write_text(OLD)
    workers = orchestrator(profile).parent
    os.utime(workers, (1_700_000_000, 1_700_000_000))
    changed = asked(profile, mounted(profile)).folders_changed_at
    assert changed is not None
    assert changed.ns == workers.stat().st_ctime_ns


def test_what_came_beside_the_way_says_nothing(profile: Profile) -> None:
    """Bytecode, a log, a backup that somebody made: the folder's time is theirs."""
    orchestrator(profile).write_text(OLD)
    for folder in (orchestrator(profile).parent, orchestrator(profile).parents[1]):
        (folder / "__pycache__").mkdir()
    assert asked(profile, mounted(profile)).folders_changed_at is None


def test_what_was_moved_away_does_not_explain_what_came_in_its_place(profile: Profile) -> None:
    """`mv code code.phase1; mv code.old code`: the sibling that went is as young as the swap, and was made long ago."""
    root = root_of(profile)
    whole = replica(mounts=(Mount("bind", "/srv/p", str(root)),))
    old, swap = 1_600_000_000, 1_700_000_000
    lines = [
        f"file {'a' * 64} {old} {old} {profile.inside(whole.service, profile.files[0].path)}",
        f"folder {swap} {swap} {root}",
        f"folder {old} {old} {root}/enrichment_service",
    ]

    def changed_at(*more: str) -> Instant | None:
        reading = code.parse(profile, Answer(0, "\n".join([*lines, *more, "end of reading"]), ""), whole)
        assert isinstance(reading, CodeReading), reading
        return reading.folders_changed_at

    went = f"child {old} {swap} {old} 41ed {root}/enrichment_service.phase1"
    backup = f"child {swap} {swap} {swap} 81a4 {root}/backup.tar"
    assert changed_at(went) == Instant(swap * 10**9)
    assert changed_at(backup) == Instant(old * 10**9), "a backup was made then"
    assert changed_at(went, backup) == Instant(swap * 10**9), "what went still has the time of its move"


def test_the_epoch_is_a_time(profile: Profile) -> None:
    """Of files in images that are built the same each time; only a birth at 0 is one that nobody kept."""
    orchestrator(profile).write_text(OLD)
    os.utime(orchestrator(profile), (0, 0))
    assert read(profile).files[0].modified_at == Instant(0)


def test_folders_of_an_image_are_not_asked(profile: Profile) -> None:
    """The engine copies one, with a new time, as soon as something is written into it."""
    orchestrator(profile).write_text(OLD)
    os.utime(orchestrator(profile).parent, (1_700_000_000, 1_700_000_000))
    assert read(profile).folders_changed_at is None


@pytest.mark.parametrize(("status", "stdout"), [(126, ""), (127, "\n")])
def test_an_image_without_a_shell_is_told_apart(status: int, stdout: str) -> None:
    """From a shell that ran and failed."""
    assert Answer(status, stdout, "exec failed").has_no_shell
    assert not Answer(1, "", "No such container").has_no_shell
    assert not Answer(127, "file ...", "sh: stat: not found").has_no_shell


# --- what Python's bytecode and the folders tell of the past


def compiled(path: Path) -> None:
    """As Python does when it imports it."""
    py_compile.compile(str(path), doraise=True)


def test_bytecode_tells_what_was_compiled_last(profile: Profile) -> None:
    """Of what, and when: a process that started in between found it."""
    path = orchestrator(profile)
    path.write_text(NEW)
    source_at = path.stat().st_mtime
    later(path.parent, 1.2)
    started = Instant(time.time_ns())
    compiled(path)
    later(path.parent)
    path.write_text("AGENT_TIMEOUT_SECONDS = 60\n")
    file = read(profile).files[0]
    (one,) = file.bytecode
    assert (file.size, one.size, one.source_at) == (path.stat().st_size, len(NEW), Instant(int(source_at) * 10**9))
    assert file.was_compiled_otherwise(started, started.plus(60))
    assert not file.was_compiled_otherwise(started.plus(-60), started.plus(60)), "it came after the start"
    compiled(path)
    assert not read(profile).files[0].was_compiled_otherwise(started, started.plus(60))


def test_bytecode_that_nobody_keeps_up_to_date_tells_nothing(profile: Profile) -> None:
    path = orchestrator(profile)
    path.write_text("a = 1\n")
    compiled(path)
    path.write_text("a = 10\n")
    reading = code.parse(
        profile, ask(f"export PYTHONDONTWRITEBYTECODE=1; {code.script(profile, replica())}"), replica()
    )
    assert isinstance(reading, CodeReading)
    assert not any(one.is_kept for one in reading.files[0].bytecode)


def test_bytecode_by_hash_has_no_size(profile: Profile) -> None:
    path = orchestrator(profile)
    path.write_text("a = 1\n")
    py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    path.write_text("a = 10\n")
    assert not any(one.is_kept for one in read(profile).files[0].bytecode)


def test_bytecode_of_a_module_that_is_gone_stays(profile: Profile) -> None:
    """A package's goes with its folder; a module's own does not."""
    module = root_of(profile) / "enrichment_service/config/timeouts.py"
    module.parent.mkdir()
    module.write_text("x = 1\n")
    compiled(module)
    assert read(profile).compiled_before_removal == ()
    module.unlink()
    ((path, one),) = read(profile).compiled_before_removal
    (made,) = module.parent.glob("__pycache__/timeouts.*.pyc")
    assert (path, one.at) == ("enrichment_service/config/timeouts.py", Instant(made.stat().st_mtime_ns))


@pytest.mark.parametrize("how", ["unchecked", "same-time-and-size"])
def test_bytecode_that_python_takes_unseen_is_told(profile: Profile, how: str) -> None:
    """Old code lies there, and the next start runs what was compiled of the new."""
    path = orchestrator(profile)
    path.write_text("a = 1\n")
    if how == "unchecked":
        py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    else:
        compiled(path)
    before = path.stat()
    assert not any(one.is_blind for one in behind_a_mount(profile).files[0].bytecode)
    later(path.parent)
    path.write_text("a = 2\n")
    if how == "same-time-and-size":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert any(one.is_blind for one in behind_a_mount(profile).files[0].bytecode)
    path.write_text("a = 3\n")
    compiled(path)
    assert not any(one.is_blind for one in behind_a_mount(profile).files[0].bytecode)


@pytest.mark.parametrize("seconds", [0.1, 2.5])
def test_bytecode_that_was_copied_with_its_source_is_not_blind(profile: Profile, seconds: float) -> None:
    """`cp -a` of a whole tree keeps the times of both; the inode's tell that they came at once, and after they were written."""
    path = orchestrator(profile)
    path.write_text("a = 1\n")
    compiled(path)
    later(path.parent, seconds)
    shutil.copytree(path.parent, path.parent.with_name("ready"))
    shutil.rmtree(path.parent)
    path.parent.with_name("ready").rename(path.parent)
    assert not any(one.is_blind for one in behind_a_mount(profile).files[0].bytecode)


def behind_a_mount(profile: Profile) -> CodeReading:
    """With the code behind a mount, as it is where folders can be moved."""
    one = replica(mounts=(Mount("bind", str(root_of(profile)), str(root_of(profile))),))
    reading = code.parse(profile, ask(code.script(profile, one)), one)
    assert isinstance(reading, CodeReading)
    return reading


def test_a_folder_that_stood_on_the_way_and_was_renamed_leaves_its_time(profile: Profile) -> None:
    """What is made beside it later explains the folder's own time, not that one."""
    folder = root_of(profile) / "enrichment_service"
    shutil.copytree(folder, folder.with_name("old"))
    later(folder, 1.2)
    folder.rename(folder.with_name("phase1"))
    folder.with_name("old").rename(folder)
    moved_at = folder.with_name("phase1").stat().st_ctime_ns
    later(folder)
    (root_of(profile) / "reports").mkdir()
    at = behind_a_mount(profile).folders_changed_at
    assert at is not None
    assert at.ns >= moved_at


def test_a_folder_behind_a_link_is_looked_at_where_it_is(profile: Profile, tmp_path: Path) -> None:
    """On another file system, which is what a mount is: `mv` there moves no folder on the way by its name."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        workers, releases = root_of(profile) / "enrichment_service/workers", Path(name)
        (releases / "live").mkdir()
        (releases / "old").mkdir()
        workers.rmdir()
        workers.symlink_to(releases / "live")
        for one in ("live", "old"):
            (releases / one / "agent_orchestrator.py").write_text(OLD)
        later(releases, 1.2)
        (releases / "live").rename(releases / "phase1")
        (releases / "old").rename(releases / "live")
        at = behind_a_mount(profile).folders_changed_at
        assert at is not None
        assert at.ns >= (releases / "phase1").stat().st_ctime_ns


def later(folder: Path, seconds: float = 0.2) -> None:
    """Until the clock of files has gone on by more than it can tell apart."""
    before = folder.stat().st_mtime_ns
    probe = folder.parent / "clock"
    probe.touch()
    while probe.stat().st_mtime_ns < before + seconds * 1e9:
        probe.touch()


def test_a_stopped_process_is_seen(profile: Profile) -> None:
    """Of this machine's, as the script is not in a container here."""
    sleeping = subprocess.Popen(["sleep", "60"])
    try:
        sleeping.send_signal(signal.SIGSTOP)
        os.waitpid(sleeping.pid, os.WUNTRACED)
        assert str(sleeping.pid) in read(profile).stopped
        assert asked(profile, replica(shares_processes=True)).stopped == (), "others' processes are not asked"
    finally:
        sleeping.kill()
        sleeping.wait()


def test_items_where_the_process_was_started_are_seen(profile: Profile, tmp_path: Path) -> None:
    """Python looks there first; the root may be a mount that nobody reads."""
    orchestrator(profile).write_text(OLD)
    other = tmp_path / "elsewhere"
    (other / ORCHESTRATOR).parent.mkdir(parents=True)
    one, command = replica(working_directory=str(other)), tmp_path / "cmdline"

    def elsewhere() -> set[str]:
        text = code.script(profile, one).replace("/proc/1/cmdline", shlex.quote(str(command)))
        reading = code.parse(profile, ask(text), one)
        assert isinstance(reading, CodeReading), reading
        return set(reading.elsewhere)

    command.write_bytes(b"python\0-u\0-m\0enrichment_service.worker\0")
    assert elsewhere() == set()
    (other / ORCHESTRATOR).write_text(OLD)
    assert elsewhere() == set(), "the same content is no other code"
    (other / ORCHESTRATOR).write_text(NEW)
    (other / "enrichment_service/errors").mkdir()
    assert elsewhere() == {str(other / ORCHESTRATOR), str(other / "enrichment_service/errors")}
    command.write_bytes(b"python\0/srv/code/main.py\0")
    assert elsewhere() == set(), "its modules lie beside the script"


def test_a_folder_with_nothing_but_bytecode_is_told_apart(profile: Profile) -> None:
    """`git checkout` of the old revision leaves it: git does not know of bytecode."""
    folder = root_of(profile) / "enrichment_service/errors"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/x.py").write_text("a = 1\n")
    compiled(folder / "deep/x.py")
    assert (read(profile).still_there, read(profile).husks) == (("enrichment_service/errors",), ())
    (folder / "deep/x.py").unlink()
    assert read(profile).still_there == read(profile).husks == ("enrichment_service/errors",)
    (folder / "link").symlink_to("/nowhere")
    assert read(profile).husks == ()


def test_a_folder_that_may_not_be_read_is_not_called_empty() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        profile = phase1(f"services.enrichment-worker.root={place}")
        (Path(place) / "enrichment_service/workers").mkdir(parents=True)
        (Path(place) / "enrichment_service/errors/deep").mkdir(parents=True, mode=0o700)
        found = read(profile, "setpriv", "--reuid=65534", "--clear-groups")
        assert (found.still_there, found.husks) == (("enrichment_service/errors",), ())


@pytest.mark.parametrize("name", ["/__init__.py", "/__init__.pyc", ".so", ".cpython-311-x86_64-linux-gnu.so"])
def test_what_python_imports_in_place_of_a_restored_file_is_seen(profile: Profile, name: str, tmp_path: Path) -> None:
    """A module that the change made a package: the restored file lies there, and nobody reads it."""
    path = orchestrator(profile)
    path.write_text(OLD)
    (path.parent / "agent_orchestrator_more.so").write_bytes(b"")
    (path.parent / "agent_orchestrator").mkdir()
    assert read(profile).in_its_place == (), "a folder without __init__.py is not imported"
    other = Path(f"{str(path).removesuffix('.py')}{name}")
    other.write_bytes(b"")
    assert read(profile).in_its_place == (str(other),)
    command, here = tmp_path / "cmdline", tmp_path / "cwd"
    here.symlink_to(root_of(profile) / "enrichment_service")
    for text, is_itself in (
        (f"python\0{path}\0", True),
        ("python\0workers/agent_orchestrator.py\0", True),
        ("python\0./workers/agent_orchestrator.py\0-v\0", True),
        ("python\0agent_orchestrator.py\0", False),
        ("python\0/srv/other/workers/agent_orchestrator.py\0", False),
    ):
        command.write_text(text)
        script = code.script(profile, replica()).replace("/proc/1/cmdline", str(command))
        reading = code.parse(profile, ask(script.replace("/proc/1/cwd", str(here))), replica())
        assert isinstance(reading, CodeReading)
        assert reading.in_its_place == (() if is_itself else (str(other),)), "a script is read, whatever lies beside it"


def test_a_setting_that_a_command_sets_anew_is_seen_in_the_process(tmp_path: Path) -> None:
    """The container was created with the old value; its command, or its entry point, has the change's."""
    setting = SettingItem(
        kind="setting", services=(WORKER,), file=".env", key="ROLLBACK_MODE", new="new one", old="old"
    )
    profile = phase1(f"services.enrichment-worker.root={tmp_path}")
    profile = profile.model_copy(update={"change": (*profile.change, setting)})
    (tmp_path / "enrichment_service/workers").mkdir(parents=True)
    assert read(profile).set_in_a_process == ()
    for value, expected in (("new", ()), ("new one", (setting.says,))):
        sleeping = subprocess.Popen(["sleep", "60"], env={**os.environ, "ROLLBACK_MODE": value})
        try:
            assert read(profile).set_in_a_process == expected
            assert asked(profile, replica(shares_processes=True)).set_in_a_process == (), "others' processes"
        finally:
            sleeping.kill()
            sleeping.wait()


@pytest.mark.parametrize(
    "mode", [py_compile.PycInvalidationMode.TIMESTAMP, py_compile.PycInvalidationMode.UNCHECKED_HASH]
)
def test_bytecode_of_the_change_that_python_takes_for_the_old_file(
    profile: Profile, mode: py_compile.PycInvalidationMode
) -> None:
    """As new as the file, of the same time and size: nothing but its content tells."""
    path = orchestrator(profile)
    old = OLD.ljust(len(NEW) + 20, "#")
    path.write_text(NEW.ljust(len(old), "#"))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    py_compile.compile(str(path), doraise=True, invalidation_mode=mode)
    path.write_text(old)
    assert read(profile).files[0].compiled_new == (
        () if mode is py_compile.PycInvalidationMode.TIMESTAMP else ("enrichment_service.errors", "get_tool_timeout")
    ), "of another time it is not taken"
    os.utime(path, (1_700_000_000, 1_700_000_000))
    (file,) = read(profile).files
    assert (file.new, file.compiled_new) == ((), ("enrichment_service.errors", "get_tool_timeout"))
    compiled(path)
    assert read(profile).files[0].compiled_new == ()
