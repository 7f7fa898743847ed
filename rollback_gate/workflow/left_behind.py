"""What the change altered and no item of the profile reverts: a rollback would leave it, and no check would miss it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from rollback_gate.change import backups
from rollback_gate.change.content import Content
from rollback_gate.draft import differences, imports
from rollback_gate.errors import Unreachable
from rollback_gate.platform.archive import digest_in
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import FileItem
from rollback_gate.profile.schema import Profile
from rollback_gate.workflow.differing import Pair, Sources, brought
from rollback_gate.workflow.running import compose_files
from rollback_gate.workflow.statements import Row
from rollback_gate.workflow.surveyed import mounted_at


def of_brought(
    profile: Profile, files: Iterable[tuple[FileItem, tuple[backups.Candidate, ...]]], sources: Sources
) -> Iterator[Row]:
    """Modules that only the change's code imports, and that are no items: a rollback would leave them."""
    pairs = [Pair(item.path, old_text(candidates), sources.texts.get(item.path, ""), "") for item, candidates in files]
    items = [item.path for item in profile.code]
    for path, by in brought(pairs, sources):
        if not any(imports.is_in(path, one) for one in items):
            says = f"only {by} of the change imports it, and it is no item: a rollback leaves it behind"
            yield Row("warning", path, says)


def of_what_was_compared(pairs: Collection[Pair]) -> Iterator[Row]:
    """What is known of old and new at all: what no backup and no commit holds is not seen."""
    if pairs:
        ways = ", ".join(dict.fromkeys(pair.why for pair in pairs))
        yield Row("ok", "old and new", f"{len(pairs)} files differ ({ways}); what these do not hold was not compared")
    else:
        says = "there is no backup and no earlier commit to compare with: what else the change altered is not known"
        yield Row("warning", "old and new", says)


def reaching(
    profile: Profile, engines: Engines, found: Mapping[str, tuple[Replica, ...]], pairs: Iterable[Pair]
) -> Iterator[Pair]:
    """Those that can reach a container."""
    directory = profile.deployment.project_directory
    everyone = [replica for rows in found.values() for replica in rows]
    composed = {*profile.deployment.files, *(name for one in everyone for name in compose_files(one, directory))}
    for pair in pairs:
        reaches = differences.is_env(pair.path) or pair.path in composed
        if reaches or any(_is_in(profile, engines, replica, pair) for replica in everyone):
            yield pair


def _is_in(profile: Profile, engines: Engines, replica: Replica, pair: Pair) -> bool:
    if mounted_at(replica, profile.deployment.project_directory, pair.path):
        return True
    place, wanted = profile.inside(replica.service, pair.path), hashlib.sha256(pair.new.encode()).hexdigest()
    try:
        return digest_in(engines.of(replica), replica.id, place) == wanted
    except Unreachable:
        return True  # it cannot be asked: it may


def of_differences(profile: Profile, pairs: Iterable[Pair]) -> Iterator[Row]:
    """What the change altered, and no item reverts: a rollback leaves it, and no check would miss it."""
    items = [item.path for item in profile.code]
    written = {(item.file, item.key) for item in profile.values}
    for pair in pairs:
        if any(imports.is_in(pair.path, one) for one in items):
            continue
        keys, is_all = differences.keys_of(pair.path, pair.old or "", pair.new)
        lacking = [key for key in keys if (pair.path, key) not in written]
        if lacking or not keys or not is_all:
            what = f"{', '.join(lacking)} in it differ" if lacking else "differs" if not keys else "differs in more"
            yield Row("warning", pair.path, f"{what} ({pair.why}), and is no item: a rollback leaves it as it is")


def old_text(candidates: Iterable[backups.Candidate]) -> str | None:
    """The newest old content among the candidates; None for none."""
    data = (one.data for one in candidates if one.content is Content.OLD)
    return next((one.decode(errors="replace") for one in data if one is not None), None)
