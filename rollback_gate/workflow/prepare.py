"""Preparation: preflight on its own, and snapshot, which keeps what a rollback will need (runbook, Prepare)."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from rollback_gate.change import snapshots
from rollback_gate.change.content import Content, classify
from rollback_gate.change.reading import Held
from rollback_gate.change.values import Values
from rollback_gate.errors import CommandFailed, Refused
from rollback_gate.evidence import logs
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.instant import Instant
from rollback_gate.model import ExitCode, Unmeasured
from rollback_gate.platform import compose as composes
from rollback_gate.platform import images
from rollback_gate.platform.compose import Compose
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.platform.swarm.stack import hash_of
from rollback_gate.rollback import files, plan, stacks, store
from rollback_gate.rollback.preflight import state_of
from rollback_gate.rollback.saving import summary_of
from rollback_gate.workflow import seen
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.carry_out import ask_about_dropped, checked, keeping_of
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import intention
from rollback_gate.workflow.session import Session, opened


def preflight(call: Call, order: Order) -> ExitCode:
    """Shows all checks of a rollback, the diff and the plan; touches nothing. Raises Refused as a rollback would."""
    settings = call.load()
    call.terminal.stage(f"Preflight for a rollback of {settings.profile.title}")
    with opened(call, "preflight") as session:
        find_goal, how, earlier = intention(session, order)
        situation, _ = checked(session, find_goal, how, earlier[0] if earlier else None)
        dropped = seen.show_difference(call.terminal, situation)
        todo = plan.make(situation, keeping_of(session, *((earlier[0].id, earlier[1]) if earlier else ("RUN", None))))
        if not todo.steps:
            call.terminal.line(f"there is nothing to do: {todo.because}")
            return ExitCode.GO
        seen.show_plan(call.terminal, todo)
        ask_about_dropped(call, session.profile.limits.dropped_lines, dropped, situation, may_ask=False)
    call.terminal.line("nothing stands in the way of a rollback")
    return ExitCode.GO


def snapshot(call: Call) -> ExitCode:
    """Keeps what a rollback will need, before a deployment. Raises Refused if the worker has no container."""
    settings = call.load()
    call.terminal.stage(f"Snapshot of {settings.profile.deployment.project}")
    with opened(call, "snapshot") as session:
        containers = _containers(session)
        snapshot_id = store.new_id(local_now())
        state = _folder(session, containers)
        folder = state / "snapshots" / snapshot_id
        half = folder.with_name(f".{folder.name}.tmp")
        try:
            store.make_private(state, folder.parent)
            for left in folder.parent.glob(".*.tmp"):  # left by a killed one: the lock is held
                shutil.rmtree(left)
            _fill(session, half, snapshot_id, containers)
            half.rename(folder)
            files.sync_folder(folder.parent)
        except OSError as error:
            raise Refused(f"the snapshot cannot be kept: {error}", "make room, or write access") from error
        finally:
            shutil.rmtree(half, ignore_errors=True)
    call.terminal.line(f"kept in {folder}")
    return ExitCode.GO


def _containers(session: Session) -> tuple[Replica, ...]:
    found = session.deployed.by_service()
    worker = found.pop(session.profile.consumer)
    if not worker:
        project, consumer = session.profile.deployment.project, session.profile.consumer
        raise Refused(
            f"project {project} has no container of service {consumer}: nothing was kept",
            "start it, or correct deployment.project or the names under [services]",
        )
    return (*worker, *(replica for rows in found.values() for replica in rows))


def _folder(session: Session, containers: tuple[Replica, ...]) -> Path:
    """The folder that also holds the runs of this deployment."""
    deployment = session.profile.deployment
    compose = _compose(session, containers[0])
    services = composes.services(compose, session.runner, deployment.project_directory)
    return state_of(session.profile, session.engines, containers, services, session.call.elsewhere)


def _compose(session: Session, worker: Replica) -> Compose:
    return composes.to_read(session.profile.deployment, worker, session.runner, session.engine.environment)


def _fill(session: Session, folder: Path, snapshot_id: str, containers: tuple[Replica, ...]) -> None:
    """Writes the manifest last: a folder without one is not a snapshot."""
    terminal = session.call.terminal
    folder.mkdir(parents=True, mode=0o700)
    kept_files = _keep_files(session, folder)
    configuration = _keep_configuration(session, folder, containers[0]) | _keep_specs(session, folder)
    kept_images = _keep_images(session, snapshot_id, containers)
    baseline = _baseline(session, [r for r in containers if r.service == session.profile.consumer])
    manifest = {
        "format": snapshots.FORMAT,
        "id": snapshot_id,
        "at": str(local_now()),
        "operator": session.call.operator,
        "files": kept_files,
        "images": kept_images,
        "values": _values(session, containers),
        "configuration_hashes": configuration,
        "baseline": baseline,
        "ill": sorted({replica.service for replica in containers if replica.is_ill}),
    }
    files.write_text(folder / snapshots.MANIFEST, terminal.redactor.text(json.dumps(manifest, indent=1)))
    terminal.item("ok", "configuration", "as Compose reads it, without values of variables")
    terminal.item("ok", "baseline", _in_words(baseline))


def _keep_files(session: Session, folder: Path) -> dict[str, str]:
    """Digest by path. A file that already has the change is kept and reported: a rollback will not use it."""
    profile, kept = session.profile, {}
    for restored in profile.files:
        path = profile.deployment.project_directory / restored.path
        if not path.is_file():
            session.call.terminal.item("warning", restored.path, "is not in the project directory: not kept")
            continue
        data = path.read_bytes()
        copy = folder / "files" / restored.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        files.replace_file(copy, data)
        content, why = classify(data, restored)
        kept[restored.path] = files.digest(copy)
        mark = "ok" if content is Content.OLD else "warning"
        session.call.terminal.item(mark, restored.path, f"sha256 {kept[restored.path][:16]}, {content} ({why})")
    return kept


def _values(session: Session, containers: tuple[Replica, ...]) -> list[str]:
    """For each setting and image of the change in each container, what it is: old, or the change's."""
    engines = session.engines
    found = {replica: Values(session.profile, engines.of(replica)).of(replica) for replica in containers}
    for replica, values in found.items():
        for value in values:
            mark = "ok" if value.held is Held.OLD else "warning"
            session.call.terminal.item(mark, replica.name, value.says)
    return [value.held.value for values in found.values() for value in values]


def _keep_images(session: Session, snapshot_id: str, containers: tuple[Replica, ...]) -> dict[str, dict[str, str]]:
    """By name, and node where there are several; each on the engine that runs it."""
    kept = {}
    found = {(replica.image_name, replica.node): replica for replica in containers}
    for (name, node), replica in sorted(found.items()):
        image_id = replica.image_id
        repository = images.kept_repository(session.keeps, name.partition("@")[0])
        tag = f"{repository}:snapshot-{snapshot_id}"
        images.tag(session.engines.of(replica), image_id, tag)
        where = f"{name} on node {node}" if node else name
        kept[where] = {"id": image_id, "kept_as": tag}
        session.call.terminal.item("ok", f"image {where}", f"{image_id[7:19]}, kept as {tag}")
    for service in session.profile.services:
        for unseen in session.engines.unseen(session.profile.deployment.project, service):
            session.call.terminal.item("warning", service, f"{unseen}: its image is not kept")
    return kept


def _keep_configuration(session: Session, folder: Path, worker: Replica) -> dict[str, str]:
    """Keeps the configuration without variable values, which are often secrets; the hashes cover them.

    Values written in the Compose file itself are kept as they are, in a folder of mode 0700.
    """
    deployment = session.profile.deployment
    compose = _compose(session, worker)
    directory = deployment.project_directory
    try:
        text = session.runner(compose.config("--no-interpolate"), cwd=directory).stdout
    except CommandFailed as error:
        raise Refused(
            f"Compose {compose.version} does not accept the project: {error.message}", "fix the Compose file"
        ) from error
    files.write_text(folder / "compose.yml", session.call.terminal.redactor.text(text))
    names = session.profile.services
    return composes.config_hashes(compose, names, session.runner, directory)


def _keep_specs(session: Session, folder: Path) -> dict[str, str]:
    """What the services of a stack are made from, whole, with the hash of each."""
    if not isinstance(session.engines, Cluster):
        return {}
    found = session.engines.services(session.profile.deployment.project)
    listed = {name: one for name, one in found.items() if name in session.profile.services}
    stacks.keep(folder, listed)
    return {name: hash_of(one.template) for name, one in listed.items()}


def _baseline(session: Session, worker: list[Replica]) -> dict[str, Any]:
    """The baseline: completeness of documents, and processing time and errors from the logs of the running replicas."""
    since = session.engines.now().plus(-session.profile.limits.baseline_s)
    documents = session.documents if isinstance(session.documents, Unmeasured) else session.documents.since(since)
    completeness = {"unmeasured": str(documents)} if isinstance(documents, Unmeasured) else summary_of(documents)
    rows = [(r, logs.read(session.engines, r, session.profile.logs, r.started_at)) for r in worker if r.started_at]
    unread = [str(log) for _, log in rows if isinstance(log, Unmeasured)]
    if unread or not rows:
        unmeasured = {"unmeasured": "; ".join(unread) or "no process of the worker has started"}
        return {"completeness": completeness, "processing_s": unmeasured, "errors": unmeasured}
    seen = [(replica, log) for replica, log in rows if isinstance(log, LogSummary)]
    return {"completeness": completeness, **_from_logs(seen, session.engines.now())}


def _from_logs(seen: list[tuple[Replica, LogSummary]], now: Instant) -> dict[str, Any]:
    seconds = [value for _, log in seen for value in log.finished.values()]
    hours = sum(now.seconds_since(replica.started_at) / 3600 for replica, _ in seen if replica.started_at)
    errors = sum(log.errors for _, log in seen)
    return {
        "processing_s": {
            "documents": len(seconds),
            "mean": statistics.fmean(seconds) if seconds else None,
            "standard_deviation": statistics.stdev(seconds) if len(seconds) > 1 else None,
        },
        "errors": {"lines": errors, "hours": hours, "per_hour": errors / hours if hours else None},
    }


def _in_words(baseline: dict[str, Any]) -> str:
    completeness, processing, errors = (baseline[key] for key in ("completeness", "processing_s", "errors"))
    if "unmeasured" in completeness:
        first = completeness["unmeasured"]
    elif completeness["mean"] is None:
        first = "no document scored"
    else:
        first = f"completeness {completeness['mean']:.1%} of {completeness['scored']} documents"
    if "unmeasured" in processing:
        return f"{first}; processing time and errors: {processing['unmeasured']}"
    second = "no document timed" if processing["mean"] is None else f"{processing['mean']:.1f} s a document"
    return f"{first}, {second}, {errors['lines']} error lines"
