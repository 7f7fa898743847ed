"""A registry of images on the main server, without TLS: Debian's own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lab.images import LabError

PROGRAM = "/usr/bin/docker-registry"
PORT = 5010
HERE = f"127.0.0.1:{PORT}"  # the machine's own engine pushes there: such an address needs no TLS
_END_S = 10.0
_CONFIG = """version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}, delete: {{enabled: true}}}}
http: {{addr: ":{port}"}}
"""


def ensure(folder: Path, wait: Callable[[Callable[[], bool], str], None]) -> None:
    """Start it if it does not answer. `folder`: for its images, and its pid. Raises LabError."""
    if not _answers():
        _start(folder, wait)


def _start(folder: Path, wait: Callable[[Callable[[], bool], str], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=PORT))
    try:
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [PROGRAM, "serve", str(folder / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise LabError(f"{PROGRAM} cannot be started: {error.strerror}; install docker-registry") from error
    (folder / "pid").write_text(str(process.pid))
    wait(_answers, f"the registry; see {folder}/log")


def stop(folder: Path) -> None:
    """Also one that another process has started."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "pid").read_text())
        if PROGRAM in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _END_S
        while _is_there(pid) and time.monotonic() < deadline:
            time.sleep(0.05)


def _is_there(pid: int) -> bool:
    """False for one that has ended and that nobody has waited for, too."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


def _answers() -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{HERE}/v2/", timeout=2) as answer:
        return bool(answer.status == 200)
    return False
