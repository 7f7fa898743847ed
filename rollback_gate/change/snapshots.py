"""Reads what `invoke snapshot` kept: the baseline, if it is the old code's."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rollback_gate.change.content import Content, classify
from rollback_gate.change.reading import Baseline, Held
from rollback_gate.instant import Instant
from rollback_gate.profile.deployment import FileItem
from rollback_gate.regular import text_of

FORMAT = 1
MANIFEST = "snapshot.json"


def baseline(
    folders: Iterable[Path], files: Sequence[FileItem], minimum_sample: int, until: Instant
) -> tuple[Baseline | None, list[str]]:
    """The baseline of the newest usable snapshot, and why newer ones are not usable. `folders`: where they are kept.

    A snapshot taken of the change, by its files or its documents, is not usable. Nor is one taken after `until`, when
    the change was reverted: its baseline would be what is to be judged.
    """
    passed_over: list[str] = []
    found = [path for folder in folders if folder.is_dir() for path in folder.glob(f"[0-9]*/{MANIFEST}")]
    for path in sorted(found, key=lambda p: p.parent.name, reverse=True):
        try:
            manifest = json.loads(text_of(path))
            why = _why_not(path.parent, manifest, files, minimum_sample, until)
            made = None if why else _made(manifest)
        except (OSError, ValueError, KeyError, TypeError) as error:
            why, made = f"cannot be read: {error!r}", None
        if made:
            return made, passed_over
        passed_over.append(f"snapshot {path.parent.name} {why}")
    return None, passed_over


def processing_s(folders: Iterable[Path], files: Sequence[FileItem], until: Instant) -> float | None:
    """Mean seconds per document in the newest snapshot of the old code from before `until` that has it.

    Needs at least two documents, as one is no mean. None if there is no such snapshot.
    """
    for manifest in _of_before(folders, files, until):
        times = manifest.get("baseline", {}).get("processing_s", {})
        mean, count = times.get("mean"), times.get("documents")
        if isinstance(mean, int | float) and 0 < mean < math.inf and isinstance(count, int) and count > 1:
            return float(mean)
    return None


def ill_services(folders: Iterable[Path], files: Sequence[FileItem], until: Instant) -> tuple[str, ...]:
    """Services whose health check failed when the newest snapshot of the old code was taken."""
    for manifest in _of_before(folders, files, until):
        if manifest.get("baseline", {}).get("completeness", {}).get("marked"):
            continue  # the change was running, whatever the files held
        ill = manifest.get("ill")
        if isinstance(ill, list):
            return tuple(str(name) for name in ill)
    return ()


def _of_before(folders: Iterable[Path], files: Sequence[FileItem], until: Instant) -> Iterator[dict[str, Any]]:
    """Manifests of snapshots of the old code from before `until`, newest first; unreadable ones are skipped."""
    found = [path for folder in folders if folder.is_dir() for path in folder.glob(f"[0-9]*/{MANIFEST}")]
    for path in sorted(found, key=lambda p: p.parent.name, reverse=True):
        try:
            manifest = json.loads(text_of(path))
            if not _of_old_code(path.parent, manifest, files, until):
                yield manifest
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # another one may be readable; without any, the profile's limit applies


def _of_old_code(folder: Path, manifest: dict[str, Any], files: Sequence[FileItem], until: Instant) -> str:
    """Why it is not from before the change, "" if it is."""
    if manifest["format"] != FORMAT:
        return "is of another format"
    if Instant.parse(manifest["at"]) >= until:
        return "was taken after what is judged began to run"
    if any(held != Held.OLD for held in manifest.get("values", ())):
        return "was not taken of the old settings"
    if not files and not manifest.get("values"):
        return "has nothing that shows whether it is of the old code"
    kept = [(restored, folder / "files" / restored.path) for restored in files]
    if not all(path.is_file() and classify(path.read_bytes(), item)[0] is Content.OLD for item, path in kept):
        return "was not taken of the old code"
    return ""


def _why_not(
    folder: Path, manifest: dict[str, Any], files: Sequence[FileItem], minimum_sample: int, until: Instant
) -> str:
    if why := _of_old_code(folder, manifest, files, until):
        return why
    completeness = manifest["baseline"]["completeness"]
    if "unmeasured" in completeness:
        return f"has no baseline: {completeness['unmeasured']}"
    if completeness["marked"]:
        return f"has {completeness['marked']} documents of the change in its baseline"
    if completeness["mean"] is not None and not 0 <= completeness["mean"] <= 1:  # nor is NaN
        return f"has a mean that is no share: {completeness['mean']}"
    if completeness["scored"] < minimum_sample or completeness["standard_deviation"] is None:
        return f"has a baseline of {completeness['scored']} documents, fewer than {minimum_sample}"
    return ""


def _made(manifest: dict[str, Any]) -> Baseline:
    completeness = manifest["baseline"]["completeness"]
    return Baseline(
        str(manifest["id"]),
        str(manifest["at"]),
        float(completeness["mean"]),
        float(completeness["standard_deviation"]),
        int(completeness["scored"]),
    )
