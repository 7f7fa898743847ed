"""Reads the code inside a container with one shell script: builds the script and parses its output. Pure.

One script per replica, because each `docker exec` costs 70 ms. The script prints an end marker, because truncated
output must not look like short output.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from rollback_gate.change import past
from rollback_gate.change.reading import CodeReading, FileReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import CodeItem, FileItem, SettingItem
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut

LIMIT_S = 20
_TELLING = 6  # letters of a text: shorter ones stand in bytecode by chance, as those of its path do
_END = "end of reading"
# How many fields of a row come before its path.
_BEFORE_PATH = {"file": 4, "folder": 3, "child": 5, "holds": 2, "coded": 2, "compiled": 10, "orphan": 6}
_DIGEST = re.compile(r"[0-9a-f]{64}")
# A path counts as gone only if its nearest existing folder is readable.
_FUNCTIONS = """
LC_ALL=C; export LC_ALL
gone() { d=$1; while [ ! -e "$d" ]; do d=${d%/*}; [ "$d" ] || d=/; done
  if [ -r "$d" ] && [ -x "$d" ]; then echo "gone $1"; else echo "hidden $1"; fi; }
file() { text=
  if [ -L "$1" ]; then echo "link $1"
  elif [ ! -e "$1" ]; then gone "$1"
  elif [ ! -r "$1" ]; then echo "hidden $1"
  else t=$(stat -c '%.9Y %.9Z' "$1"); case $t in *%*) t=$(stat -c '%Y %Z' "$1") ;; esac
  text=$(cat "$1") || echo "blind $1"; set -- "$1" $(sha256sum < "$1") $t; echo "file $2 ${4:-?} ${5:-?} $1"; fi; }
holds() { case $text in *"$3"*) echo "holds $1 $2" ;; esac; }
folders() { f=$(stat -c 'folder %.9Y %.9Z %n' "$@")
  case $f in *%.9Y*|'') stat -c 'folder %Y %Z %n' "$@" ;; *) echo "$f" ;; esac; }
children() { c=$(stat -c 'child %.9W %.9Z %.9Y %f %n' "$@" | head -n 3000)
  case $c in *%.9W*|'') stat -c 'child %W %Z %Y %f %n' "$@" | head -n 3000 ;; *) echo "$c" ;; esac; }
kept() { [ -z "$PYTHONDONTWRITEBYTECODE$PYTHONPYCACHEPREFIX" ] && [ -w "${1%/*}/__pycache__" ] && echo 1 || echo 0; }
at() { t=$(stat -c "%.9$1" "$2"); case $t in *%*) t=$(stat -c "%$1" "$2") ;; esac; echo "${t:-?}"; }
orphans() { [ -e "$1" ] && return 0; [ "$(kept "$1")" = 1 ] || return 0
  b=${1##*/}; for c in "${1%/*}/__pycache__/${b%.py}".*.pyc; do
  [ -f "$c" ] && h=$(od -An -tu4 -N16 "$c") && echo "orphan" $(at Y "$c") $h "$1"; done; }
resolved() { p=$(cd -P "${1%/*}" 2>/dev/null && pwd -P) || return 0; [ "$p" = "${1%/*}" ] && return 0
  r=$(stat -c %d /); while [ "$p" ] && d=$(stat -c %d "$p") && [ "$d" != "$r" ]; do
  folders "$p"; children "$p"/* ; p=${p%/*}; done; }
compiled() { [ -f "$1" ] || return 0
  b=${1##*/}; for c in "${1%/*}/__pycache__/${b%.py}".*.pyc; do
  [ -f "$c" ] && h=$(od -An -tu4 -N16 "$c") &&
    echo "compiled" $(kept "$1") $(wc -c < "$1") $(at Y "$c") $(at Z "$c") $(at W "$c") $h "$1"; done; }
environ() { command -v grep > /dev/null || echo unseen
  for p in /proc/[0-9]*/environ; do e=$(tr '\\0' '\\n' < "$p") || { [ -e "$p" ] && echo unseen; continue; }
  printf '%s\\n' "$e" | grep -qxF -e "$2" && echo "environ $1" && break; done; return 0; }
stopped() { for p in /proc/[0-9]*; do read -r l 2>/dev/null < "$p/stat" || continue
  case ${l##*) } in T*) echo "stopped ${p#/proc/}";; esac; done; }
importable() { c=$(tr '\\0' ' ' < /proc/1/cmdline)
  case " $c" in *" -m "*|*" -c "*) return 0 ;; *" /"*.py*) return 1 ;; esac; }
elsewhere() { [ -e "$1" ] && [ "$1" -ef "$2" ] && return 0
  [ -f "$1" ] && [ -f "$2" ] && [ "$(sha256sum < "$1")" = "$(sha256sum < "$2")" ] && return 0
  [ -e "$1" ] && echo "elsewhere $1"; return 0; }
coded() { [ -f "$1" ] || return 0; f=$(stat -c '%Y' "$1") n=$(wc -c < "$1") b=${1##*/}
  for c in "${1%/*}/__pycache__/${b%.py}".*.pyc; do [ -f "$c" ] || continue
  set -- "$1" "$2" "$3" "$4" $(od -An -tu4 -N16 "$c"); fits=
  [ "$6" = 0 ] && [ "$7" = "$f" ] && [ "$8" = "$((n))" ] && fits=1; [ "$6" = 1 ] && fits=1
  [ "$fits" ] && grep -qF -e "$4" "$c" && echo "coded $2 $3"; set -- "$1" "$2" "$3" "$4"; done; return 0; }
beside() { w=$(readlink /proc/1/cwd); w=${1#"$w"/}
  case " $(tr '\\0' ' ' < /proc/1/cmdline) " in *" $1 "*|*" $w "*|*" ./$w "*) return 0 ;; esac
  b=${1%.py}; for c in "$b/__init__.py" "$b/__init__.pyc" "$b.so" "$b".*.so; do
  [ -e "$c" ] && echo "beside $c"; done; return 0; }
there() { if [ -e "$1" ] || [ -L "$1" ]; then echo "there $1"; husk "$1"; else gone "$1"; fi; }
husk() { [ -d "$1" ] && left=$(find "$1/" ! -type d ! -path '*/__pycache__/*' 2>&1 | head -n 1) &&
  find "$1" -maxdepth 0 >/dev/null 2>&1 && [ -z "$left" ] && echo "husk $1"; return 0; }
"""


@dataclass(frozen=True)
class Answer:
    """Exit status and output of a command inside a container."""

    status: int
    stdout: str
    stderr: str

    @property
    def has_no_shell(self) -> bool:
        """True if the engine, or a shell, found no program to run."""
        return self.status in (126, 127) and not self.stdout.strip()


def script(profile: Profile, replica: Replica) -> str:
    """The shell command for a replica, with a timeout of LIMIT_S inside the container."""
    service = replica.service
    lines = [_FUNCTIONS]
    for number, restored in enumerate(profile.files_of(service)):
        path = profile.inside(service, restored.path)
        lines.append(f"file {shlex.quote(path)}")
        if path.endswith(".py"):
            lines.append(f"compiled {shlex.quote(path)} 2>/dev/null")
            lines.append(f"beside {shlex.quote(path)} 2>/dev/null")
        lines.append(f"resolved {shlex.quote(path)} 2>/dev/null")
        for kind, texts in (("new", restored.new), ("old", restored.old)):
            for index, text in enumerate(texts):
                lines.append(f"holds {kind}.{number} {index} {shlex.quote(text)}")
        lines += [
            f"coded {shlex.quote(path)} new.{number} {index} {shlex.quote(text)} 2>/dev/null"
            for index, text in enumerate(restored.new)
            if path.endswith(".py") and len(text) >= _TELLING and text not in path
        ]
    removed = [profile.inside(service, path) for path in profile.removed_of(service)]
    lines += [f"there {shlex.quote(path)}" for path in removed]
    lines += [f"orphans {shlex.quote(path)} 2>/dev/null" for path in removed if path.endswith(".py")]
    if folders := [shlex.quote(folder) for folder in folders_of(profile, replica)]:
        lines.append(f"folders {' '.join(folders)} 2>/dev/null")
        lines.append(f"children {' '.join(f'{one}/* {one}/.[!.]*' for one in folders)} 2>/dev/null")
    if not replica.shares_processes:
        lines.append("stopped 2>/dev/null")
        for number, setting in enumerate(_settings(profile, service)):
            lines.append(f"environ {number} {shlex.quote(f'{setting.in_container}={setting.new}')} 2>/dev/null")
    lines += [
        f"importable && elsewhere {shlex.quote(other)} {shlex.quote(path)} 2>/dev/null"
        for other, path in _others(profile, replica)
    ]
    lines.append(f"echo {shlex.quote(_END)}")
    return f"timeout {LIMIT_S} sh -c {shlex.quote(chr(10).join(lines))}"


def _others(profile: Profile, replica: Replica) -> list[tuple[str, str]]:
    """Pairs: an item's path relative to the working directory, and its expected path; only where the two differ."""
    folder = PurePosixPath(replica.working_directory or "/")
    below = [
        item.path for item in _items(profile, replica) if not item.inside
    ]  # any other has one place, whatever the root
    places = [(str(folder / path), profile.inside(replica.service, path)) for path in below]
    return [(other, path) for other, path in places if other != path]


def _items(profile: Profile, replica: Replica) -> list[CodeItem]:
    return [item for item in profile.code if not item.services or replica.service in item.services]


def _settings(profile: Profile, service: str) -> list[SettingItem]:
    """Of a service; an empty value is too common to show anything."""
    return [item for item in profile.values_of(service) if isinstance(item, SettingItem) and item.new]


def folders_of(profile: Profile, replica: Replica) -> tuple[str, ...]:
    """The parent folders of the items, from the mount that holds them down.

    None for files of the image: folders are not moved there, and the engine copies a folder on its first write.
    """
    found: dict[str, None] = {}
    for item in _items(profile, replica):
        path = PurePosixPath(profile.inside(replica.service, item.path))
        mounts = [PurePosixPath(m.target) for m in replica.mounts if path.is_relative_to(m.target)]
        if mounts:
            top = max(mounts, key=lambda target: len(target.parts))
            found |= dict.fromkeys(str(folder) for folder in reversed(path.parents) if folder.is_relative_to(top))
    return tuple(found)


def parse(profile: Profile, answer: Answer, replica: Replica) -> CodeReading | Unmeasured:
    what, service = f"the code in {replica.name}", replica.service
    lines = answer.stdout.splitlines()
    if answer.status != 0 or not lines or lines[-1] != _END:
        said = cut((answer.stderr.strip() or answer.stdout.strip() or "nothing").splitlines()[-1], 200)
        return Unmeasured(what, f"the script in the container ended with status {answer.status} and said: {said}")
    rows = [_row(line) for line in lines[:-1]]
    odd = [row for row in rows if row[0] == "file" and (len(row) != 5 or not _DIGEST.fullmatch(row[1]))]
    if odd:
        return Unmeasured(what, "sha256sum or stat is missing in the container, or answers in another form")
    if blind := [row[1] for row in rows if row[0] == "blind"]:
        return Unmeasured(what, f"{', '.join(blind)} could not be read: is cat missing in the container?")
    hidden = [row[1] for row in rows if row[0] == "hidden"]
    if hidden:
        return Unmeasured(what, f"no permission to read {', '.join(hidden)}")
    files = tuple(
        _file(restored, number, profile.inside(service, restored.path), rows)
        for number, restored in enumerate(profile.files_of(service))
    )
    still_there = tuple(r for r in profile.removed_of(service) if ("there", profile.inside(service, r)) in rows)
    items = {profile.inside(service, item.path) for item in _items(profile, replica)}
    on_the_way = items | {row[3] for row in rows if row[0] == "folder"}
    removed = {profile.inside(service, path): path for path in profile.removed_of(service)}
    return CodeReading(
        files,
        still_there,
        folders_changed_at=past.newest_change(rows, on_the_way),
        compiled_before_removal=past.orphans(rows, removed),
        husks=tuple(path for inside, path in removed.items() if ("husk", inside) in rows),
        stopped=tuple(row[1] for row in rows if row[0] == "stopped"),
        elsewhere=tuple(row[1] for row in rows if row[0] == "elsewhere"),
        set_in_a_process=tuple(
            one.says for n, one in enumerate(_settings(profile, service)) if ("environ", str(n)) in rows
        ),
        environments_unseen=("unseen",) in rows,
        in_its_place=tuple(row[1] for row in rows if row[0] == "beside"),
    )


def _row(line: str) -> tuple[str, ...]:
    """The path is the last field and may contain spaces."""
    return tuple(line.split(" ", _BEFORE_PATH.get(line.partition(" ")[0], 1)))


def _file(item: FileItem, number: int, inside: str, rows: past.Rows) -> FileReading:
    """`inside`: its path in the container; `number`: its index in the profile."""
    path = item.path
    row = next((row for row in rows if row[0] in ("file", "link", "gone") and row[-1] == inside), None)
    if row is None or row[0] == "gone":
        return FileReading(path, exists=False)
    if row[0] == "link":
        return FileReading(path, exists=True, is_link=True)
    held = {row[1:] for row in rows if row[0] == "holds"}
    coded = {row[1:] for row in rows if row[0] == "coded"}
    size, bytecode = past.compiled(rows, inside)
    return FileReading(
        path=path,
        exists=True,
        digest=row[1],
        modified_at=past.time(row[2]),
        changed_at=past.time(row[3]),
        new=tuple(t for i, t in enumerate(item.new) if (f"new.{number}", str(i)) in held),
        old=tuple(t for i, t in enumerate(item.old) if (f"old.{number}", str(i)) in held),
        size=size,
        bytecode=bytecode,
        compiled_new=tuple(t for i, t in enumerate(item.new) if (f"new.{number}", str(i)) in coded),
    )
