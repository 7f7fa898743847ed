"""Check 1: no new behaviour (runbook, Verify, Check 1: No New Error Handling).

Evidence, strongest first: the code in the container with its process's start, fresh documents, the log.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollback_gate.change.reading import CodeReading, FileReading, Held, ValueReading
from rollback_gate.checks import start
from rollback_gate.checks.cut import cut_off
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.model import Claim, Evidence, Outcome, Unmeasured, failed, inconclusive, passed, worst
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import SettingItem
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut

_FEW = 5


def restored_files(readings: Readings, replica: ReplicaReading, profile: Profile) -> Claim:
    """Each restored file in this replica equals its source, byte for byte; without a source, its content is old."""
    if isinstance(replica.code, Unmeasured):
        return inconclusive(replica.label, replica.code)
    if not profile.files_of(replica.service):
        return passed(replica.label, "no restored file is for it", Evidence.CODE)
    sources = readings.source_digests
    files = start.carried(replica, replica.code)
    if not files and replica.code.still_there:
        return passed(replica.label, "has none of the restored files; see what is removed", Evidence.CODE)
    if not files:
        says = "has none of the files of the change: it does not carry it, and does not belong under [services]"
        return inconclusive(replica.label, says)
    others = [f for f in files if readings.run_id is None and _is_another_old(f, sources, profile)]
    wrong = [text for file in files if file not in others for text in _wrong_with(file, sources)]
    if wrong:
        return failed(replica.label, "runs from files that are not the old code", Evidence.CODE, *wrong)
    if found := replica.code.in_its_place:
        says = f"has {found[0]}, which Python imports in place of the restored file"
        return inconclusive(replica.label, f"{says}: if the change brought it, list it as removed", *found)
    if others:
        says = "is old code by its content, but another one than the newest backup: is it the right one?"
        return inconclusive(
            replica.label, f"{others[0].path} {says}", *(t for f in others for t in _wrong_with(f, sources))
        )
    details = [f"{file.path}: sha256 {file.digest[:16]}" for file in files]
    if replica.code.from_outside:
        details.append("read through the engine only: the image has no shell, or not the tools, to ask inside")
    unsure = [file.path for file in files if set(file.old) != set(profile.file(file.path).old)]
    if isinstance(sources, Unmeasured):
        if unsure:
            return inconclusive(replica.label, f"{sources}; content shows neither old nor new code", *details)
        return passed(
            replica.label, "holds old code by its content (no source to compare with)", Evidence.CODE, *details
        )
    return passed(replica.label, "holds the source's files, byte for byte", Evidence.CODE, *details)


def _is_another_old(file: FileReading, sources: dict[str, str] | Unmeasured, profile: Profile) -> bool:
    """True if the file is old code from another source than the one that would be used here (restored by hand)."""
    if isinstance(sources, Unmeasured) or file.is_link or file.new or not file.exists:
        return False
    return set(file.old) == set(profile.file(file.path).old) and sources.get(file.path) != file.digest


def _wrong_with(file: FileReading, sources: dict[str, str] | Unmeasured) -> list[str]:
    if not file.exists:
        return [f"{file.path} does not exist"]
    if file.is_link:
        return [f"{file.path} is a symbolic link"]
    if file.new:
        return [f"{file.path} holds new code: {', '.join(file.new)}"]
    if file.compiled_new:
        return [f"Python takes bytecode for {file.path} that holds new code: {', '.join(file.compiled_new)}"]
    if not isinstance(sources, Unmeasured) and sources.get(file.path) != file.digest:
        expected = sources.get(file.path, "")[:16] or "none"
        return [f"{file.path} is not the source's: sha256 {file.digest[:16]}, expected {expected}"]
    return []


def removed_modules(replica: ReplicaReading, profile: Profile) -> Claim:
    """This replica has none of the paths that the rollback removes (runbook, Option 1, step 4)."""
    if isinstance(replica.code, Unmeasured):
        return inconclusive(replica.label, replica.code)
    if replica.code.kept is not None:
        return _kept_modules(replica, replica.code)
    if replica.code.husks and set(replica.code.still_there) <= set(replica.code.husks):
        says = "has folders of the change in which nothing but bytecode is left: remove them, and verify again"
        return inconclusive(replica.label, says, *replica.code.husks)
    if replica.code.still_there:
        return failed(replica.label, "still has modules of the change", Evidence.CODE, *replica.code.still_there)
    if replica.code.elsewhere:
        says = "has other files where its process was started than below its root: which ones it runs is not known"
        return inconclusive(replica.label, f"{says}; correct services.{replica.service}.root", *replica.code.elsewhere)
    count = len(profile.removed_of(replica.service))
    says = f"has none of the {count} removed modules" if count else "no removed module is for it"
    return passed(replica.label, says, Evidence.CODE)


def _kept_modules(replica: ReplicaReading, code: CodeReading) -> Claim:
    """After a partial rollback the modules stay, and the worker does not import them (runbook, Partial Rollback)."""
    kept = code.kept
    if kept is None or isinstance(kept, Unmeasured):
        return inconclusive(replica.label, kept or "whether the kept modules are used was not measured")
    if kept.imported:
        return failed(
            replica.label,
            "imports modules of the change, which a partial rollback keeps unused",
            Evidence.CODE,
            *kept.imported,
        )
    if kept.named:
        return inconclusive(
            replica.label, "names modules of the change in texts, by which it could import them", *kept.named
        )
    return passed(
        replica.label,
        f"keeps {len(code.still_there)} modules of the change and imports none (partial)",
        Evidence.CODE,
        *code.still_there,
    )


def values(readings: Readings, replica: ReplicaReading, profile: Profile) -> Claim:
    """The replica was created with the old settings, from the old image, and a new one would be too.

    A value may reach it under another name, or through a default. So where its own environment does not show the old
    value, the file must hold it, and the replica must be what Compose would make of the files now.
    """
    if isinstance(replica.code, Unmeasured):
        return inconclusive(replica.label, replica.code)
    found = replica.code.values
    if len(found) < len(profile.values_of(replica.service)):
        return inconclusive(replica.label, "not all of its settings and images were read")
    if new := [value for value in found if value.held is Held.NEW]:
        names = ", ".join(value.name for value in new)
        says = f"was created with the change's {names}"
        return failed(replica.label, says, Evidence.PROCESS, *(value.says for value in found))
    if set_again := replica.code.set_in_a_process:
        says = f"runs a process with the change's {', '.join(set_again)}: its command or a script in it sets that anew"
        return failed(replica.label, says, Evidence.PROCESS)
    if not found:
        return passed(replica.label, "no setting or image of the change is for it", Evidence.PROCESS)
    if claim := _not_written(readings, replica, profile):
        return claim
    if other := [value.says for value in found if value.held is not Held.OLD and not value.is_setting]:
        return inconclusive(replica.label, f"what it runs with is not known: {'; '.join(other)}")
    if hidden := _hidden(profile, replica.service, found):
        says = f"what it runs with is not known: a task shows only its environment, and {hidden} may not be in it"
        return inconclusive(replica.label, f"{says}; if it is a variable, name it in the item: `variable = ...`")
    names = ", ".join(value.name for value in found)
    unseen = ["not every process could be asked for its environment"] if replica.code.environments_unseen else []
    if other := [value.says for value in found if not value.is_shown]:
        if not _is_as_the_files_say(readings, replica):
            return inconclusive(replica.label, f"what it runs with is not known: {'; '.join(other)}")
        says = f"is what a new one would be, and the files hold the old value of {names}"
        return passed(replica.label, says, Evidence.PROCESS, *other, *unseen)
    return passed(replica.label, f"was created with the old {names}", Evidence.PROCESS, *unseen)


def _not_written(readings: Readings, replica: ReplicaReading, profile: Profile) -> Claim | None:
    """A claim if a file does not hold the old value; None if each does."""
    places = [item.place for item in profile.values_of(replica.service) if item.file]
    found = {place: readings.written.get(place, Unmeasured(place, "it was not read")) for place in places}
    for place, one in found.items():
        if isinstance(one, ValueReading) and one.held is Held.NEW:
            says = f"{place} holds the change's value"
            if profile.deployment.platform == "swarm":  # tasks are made from the service, not from the file
                return inconclusive(replica.label, f"the next deployment of the stack would bring it back: {says}")
            return failed(replica.label, f"its next start would be the change: {says}", Evidence.CODE)
    for one in found.values():
        if isinstance(one, Unmeasured):
            return inconclusive(replica.label, one)
        if one.held is not Held.OLD:
            return inconclusive(replica.label, f"what is written is not known: {one.says}")
    return None


def _hidden(profile: Profile, service: str, found: tuple[ValueReading, ...]) -> str:
    """Settings of a stack that nothing of a task shows: no hash of Compose's covers them there."""
    rows = zip(profile.values_of(service), found, strict=True) if profile.deployment.platform == "swarm" else ()
    hidden = (one for one, value in rows if isinstance(one, SettingItem) and not (one.is_variable or value.is_shown))
    return ", ".join(one.key for one in hidden)


def _is_as_the_files_say(readings: Readings, replica: ReplicaReading) -> bool:
    """By Compose's hash, which covers all of it: where parts are compared, a value may have gone into another one."""
    now, then = readings.configured.get(replica.service), replica.before
    return isinstance(then, Replica) and now == then.config_hash


def _uses_removed(code: CodeReading) -> bool:
    """True if removed modules are there, unless a partial rollback is known to keep them unused."""
    if code.kept is None:
        return bool(code.still_there)
    return isinstance(code.kept, Unmeasured) or bool(code.kept.imported or code.kept.named)


def nobody_left_out(readings: Readings, profile: Profile) -> Claim:
    """Every service of the project that carries the change is listed in the profile, or waived with a reason."""
    left_out = readings.left_out
    if isinstance(left_out, Unmeasured):
        return inconclusive("services", left_out)
    if left_out:
        what = "; ".join(f"{service} {carries}" for service, carries in left_out.items())
        says = f"not in the profile, and not judged: {what}: list it under [services], or under [waived] with a reason"
        says += "; a job that has ended under [waived], or remove its container"
        return inconclusive("services", says)
    waived = [f"{name} is waived: {reason}" for name, reason in profile.waived.items()]
    roots = ", ".join(dict.fromkeys(service.root for service in profile.services.values()))
    says = f"no other container of the project{' that is not waived' if waived else ''} mounts it, or has it in "
    return passed("services", f"{says}{roots} or in its own working directory", Evidence.CODE, *waived)


def log_lines(readings: Readings, replica: ReplicaReading, profile: Profile) -> Claim:
    """Since the boundary the log shows none of the new code's lines, and could have shown them.

    If it could not (hidden by its level or driver, or no document was finished), it is no evidence. The claim then
    relies on the code in this replica and on fresh documents, if these prove the old code.
    """
    log = replica.log
    if isinstance(log, LogSummary) and log.new:
        seen = [f"{s.kind}: {s.count} × {s.name}, first {s.first_at.short}: {cut(s.sample, 300)}" for s in log.new]
        names = ", ".join(sorted({s.kind for s in log.new}))
        return failed(replica.label, f"logged {names} since the boundary", Evidence.LOG, *seen)
    gone = cut_off(replica, profile)
    if isinstance(log, LogSummary) and _shows_old(replica, profile) and not gone:
        says = f"logged nothing new over {log.documents_finished} documents, {log.lines} lines since the boundary"
        return passed(replica.label, says, Evidence.LOG)
    if not replica.consumes:
        return _of_no_documents(readings, replica, profile)
    none_shown = gone or "since the boundary its log shows no finished document"
    why = str(log) if isinstance(log, Unmeasured) else none_shown
    if code_is_old(readings, replica, profile) and fresh_documents(readings, profile).passed:
        says = f"the log proves nothing here ({why}); stands on the code in the container and on fresh documents"
        return passed(replica.label, says, Evidence.CODE)
    return inconclusive(replica.label, f"the log proves nothing here: {why}")


def _of_no_documents(readings: Readings, replica: ReplicaReading, profile: Profile) -> Claim:
    """A service without documents: its log can show the change, but never its absence."""
    log = replica.log
    says = "logged nothing new since the boundary" if isinstance(log, LogSummary) else str(log)
    if code_is_old(readings, replica, profile):
        return passed(replica.label, f"{says}; it handles no documents: stands on the code", Evidence.CODE)
    return inconclusive(replica.label, f"{says}, which proves nothing: it handles no documents, and its code does not")


def code_is_old(readings: Readings, replica: ReplicaReading, profile: Profile) -> bool:
    """True by the strongest evidence: the files in the container and the start of the process."""
    if not isinstance(replica.code, CodeReading) or _uses_removed(replica.code):
        return False
    if not values(readings, replica, profile).passed:
        return False
    is_younger = start.process_start(replica, has_code(profile, replica.service)).passed
    return restored_files(readings, replica, profile).passed and is_younger


def has_code(profile: Profile, service: str) -> bool:
    """True if files or removed paths of the change are for this service."""
    return bool(profile.files_of(service) or profile.removed_of(service))


def fresh_documents(readings: Readings, profile: Profile) -> Claim:
    """No document written since the boundary carries the mark that only the new code writes.

    If none is stored any more (probes are removed), the claim relies on the code, and on the logs of finished
    documents, which would show new code.
    """
    documents = readings.documents
    if isinstance(documents, Unmeasured):
        return inconclusive("documents", documents)
    marked = [document for document in documents.documents if document.marked]
    count = len(documents.documents)
    if marked:
        ids = [f"{d.id}, created {d.created_at.short if d.created_at else 'at an unknown time'}" for d in marked[:5]]
        return failed(
            "documents",
            f"{len(marked)} of {count} since the boundary carry the new code's mark",
            Evidence.DOCUMENT,
            *ids,
        )
    if unread := [document.id for document in documents.documents if document.could_be_marked]:
        says = f"{len(unread)} of {count} since the boundary have no fields where the new code's mark would be"
        return inconclusive("documents", f"{says}: {', '.join(unread[:_FEW])}")
    if documents.untimed:
        says = "documents that carry the new code's mark, or could, have no time of creation, or one to come"
        return inconclusive("documents", f"{says}: when they were written is unknown: {', '.join(documents.untimed)}")
    if documents.truncated:
        return inconclusive(
            "documents",
            f"none of the newest {count} since the boundary carries the mark; there are"
            " more than were read: name a later boundary with --since",
        )
    if count:
        return passed("documents", f"none of {count} since the boundary carries the new code's mark", Evidence.DOCUMENT)
    return _none_stored(readings, profile)


def _none_stored(readings: Readings, profile: Profile) -> Claim:
    left_out = "" if isinstance(readings.documents, Unmeasured) else readings.documents.left_out
    says = f"none written since the boundary is stored{left_out}"
    replicas = readings.consuming
    if replicas and all(_shows_old(r, profile) and code_is_old(readings, r, profile) for r in replicas):
        finished = sum(r.log.documents_finished for r in replicas if isinstance(r.log, LogSummary))
        says += f"; stands on the code, and on the log of {finished} finished documents, where each would show new code"
        return passed("documents", says, Evidence.CODE)
    return inconclusive("documents", f"{says}, so none could show the mark")


def _shows_old(replica: ReplicaReading, profile: Profile) -> bool:
    """True if its log has finished documents and no line of the new code, which prints one for every document."""
    log = replica.log
    shows = any(form.every_document for form in profile.logs.new)
    return isinstance(log, LogSummary) and shows and bool(log.documents_finished) and not log.new


def is_proven_old(readings: Readings, profile: Profile) -> bool:
    """True if every replica's code is old and fresh documents agree; other checks rely on this."""
    replicas = readings.replicas
    is_there = readings.consuming if any(service.consumes for service in profile.services.values()) else replicas
    codes = bool(is_there) and all(code_is_old(readings, replica, profile) for replica in replicas)
    return codes and (profile.database is None or fresh_documents(readings, profile).passed)


def shows_new(readings: Readings, profile: Profile) -> bool:
    """True if there is any sign of the new code."""
    return worst(_all(readings, profile)) is Outcome.FAILED


def _all(readings: Readings, profile: Profile) -> Iterable[Outcome]:
    yield fresh_documents(readings, profile).outcome
    for replica in readings.replicas:
        yield restored_files(readings, replica, profile).outcome
        yield removed_modules(replica, profile).outcome
        yield values(readings, replica, profile).outcome
        yield start.process_start(replica, has_code(profile, replica.service)).outcome
        yield log_lines(readings, replica, profile).outcome
