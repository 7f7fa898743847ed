"""The code inside a container, by one shell script: the question and the reading of its answer. Pure.

One script per replica, because each `docker exec` costs 70 ms; it ends with a line of its own, because
an answer that was cut off must not look like a short one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from rollback_gate.change.reading import CodeReading, FileReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import FileItem, Profile

LIMIT_S = 20
_END = "end of reading"
_DIGEST = re.compile(r"[0-9a-f]{64}")
# A path counts as gone only where its nearest existing folder can be looked into.
_FUNCTIONS = """
gone() { d=$1; while [ ! -e "$d" ]; do d=$(dirname "$d"); done
  if [ -r "$d" ] && [ -x "$d" ]; then echo "gone $1"; else echo "hidden $1"; fi; }
file() { if [ -L "$1" ]; then echo "link $1"
  elif [ ! -e "$1" ]; then gone "$1"
  elif [ ! -r "$1" ]; then echo "hidden $1"
  else t=$(stat -c '%.9Y %.9Z' "$1"); case $t in *%*) t=$(stat -c '%Y %Z' "$1") ;; esac
  set -- "$1" $(sha256sum < "$1") $t; echo "file $2 ${4:-?} ${5:-?} $1"; fi; }
holds() { if grep -qF -e "$3" "$4"; then echo "holds $1 $2"; fi; }
there() { if [ -e "$1" ] || [ -L "$1" ]; then echo "there $1"; else gone "$1"; fi; }
"""


@dataclass(frozen=True)
class Answer:
    """Exit status and standard output of a command inside a container."""

    status: int
    stdout: str
    stderr: str


def script(profile: Profile, service: str) -> str:
    """The question for a replica of this service: a command for `sh`, limited in time inside the container."""
    lines = [_FUNCTIONS]
    for number, restored in enumerate(profile.files):
        path = profile.inside(service, restored.path)
        lines.append(f"file {shlex.quote(path)}")
        for kind, texts in (("new", restored.new), ("old", restored.old)):
            for index, text in enumerate(texts):
                lines.append(f"holds {kind}.{number} {index} {shlex.quote(text)} {shlex.quote(path)} 2>/dev/null")
    lines += [f"there {shlex.quote(profile.inside(service, removed))}" for removed in profile.removed()]
    lines.append(f"echo {shlex.quote(_END)}")
    return f"timeout {LIMIT_S} sh -c {shlex.quote(chr(10).join(lines))}"


def read(profile: Profile, ask: Callable[[str], Answer], replica: Replica) -> CodeReading | Unmeasured:
    """Ask one container, whose state the caller has checked: on a stopped one every file seems to be missing."""
    return parse(profile, ask(script(profile, replica.service)), replica)


def parse(profile: Profile, answer: Answer, replica: Replica) -> CodeReading | Unmeasured:
    what, service = f"the code in {replica.name}", replica.service
    lines = answer.stdout.splitlines()
    if answer.status != 0 or not lines or lines[-1] != _END:
        said = (answer.stderr.strip() or answer.stdout.strip() or "nothing").splitlines()[-1][:200]
        return Unmeasured(what, f"the script in the container ended with status {answer.status} and said: {said}")
    rows = [_row(line) for line in lines[:-1]]
    odd = [row for row in rows if row[0] == "file" and (len(row) != 5 or not _DIGEST.fullmatch(row[1]))]
    if odd:
        return Unmeasured(what, "sha256sum or stat is missing in the container, or answers in another form")
    hidden = [row[1] for row in rows if row[0] == "hidden"]
    if hidden:
        return Unmeasured(what, f"no permission to read {', '.join(hidden)}")
    paths = {row[-1]: row for row in rows if row[0] in ("file", "link", "gone")}
    held = {row[1:] for row in rows if row[0] == "holds"}
    files = tuple(
        _file(restored, number, paths.get(profile.inside(service, restored.path)), held)
        for number, restored in enumerate(profile.files)
    )
    still_there = tuple(r for r in profile.removed() if ("there", profile.inside(service, r)) in rows)
    return CodeReading(files, still_there)


def _time(text: str) -> Instant | None:
    """From `stat`: seconds, with a fraction where that `stat` can give it; None where it could not say."""
    seconds, _, fraction = text.replace(",", ".").partition(".")
    if not seconds.isdigit() or not (fraction or "0").isdigit():
        return None
    return Instant(int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9]))


def _row(line: str) -> tuple[str, ...]:
    """A path stands last, and may hold spaces."""
    fields_before_path = {"file": 4, "holds": 2}.get(line.partition(" ")[0], 1)
    return tuple(line.split(" ", fields_before_path))


def _file(item: FileItem, number: int, row: tuple[str, ...] | None, held: set[tuple[str, ...]]) -> FileReading:
    path = item.path
    if row is None or row[0] == "gone":
        return FileReading(path, exists=False)
    if row[0] == "link":
        return FileReading(path, exists=True, is_link=True)
    return FileReading(
        path=path,
        exists=True,
        digest=row[1],
        modified_at=_time(row[2]),
        changed_at=_time(row[3]),
        new=tuple(t for i, t in enumerate(item.new) if (f"new.{number}", str(i)) in held),
        old=tuple(t for i, t in enumerate(item.old) if (f"old.{number}", str(i)) in held),
    )
