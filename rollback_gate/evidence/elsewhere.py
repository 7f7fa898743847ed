"""What a new container would run on nodes of a Swarm where none runs now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from docker.errors import NotFound

from rollback_gate.change.outside import Outside
from rollback_gate.change.reading import CodeReading, Held
from rollback_gate.change.strategy import innermost
from rollback_gate.change.values import Values
from rollback_gate.errors import Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.platform import images
from rollback_gate.platform.engine import Engine, answering
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Mount, Replica
from rollback_gate.profile.schema import Profile

Found = dict[str, dict[str, CodeReading | Unmeasured]]
NOWHERE = "nodes"


def read(profile: Profile, engines: Engines, replicas: Iterable[Replica]) -> Found:
    """By service and node; of one that runs nowhere, nothing is known to compare with."""
    rows = list(replicas)
    return {
        service: _of_service(profile, engines, [one for one in rows if one.service == service])
        for service in profile.services
    }


def _of_service(profile: Profile, engines: Engines, own: list[Replica]) -> dict[str, CodeReading | Unmeasured]:
    if not own:
        return {}
    try:
        places = engines.places(profile.deployment.project, own[0].service)
    except Unreachable as error:
        return {NOWHERE: Unmeasured(f"where {own[0].service} may start", error.message)}
    others = sorted(set(places) - {replica.node for replica in own})
    return {place: _on(profile, engines, replace(own[0], node=place)) for place in others}


def _on(profile: Profile, engines: Engines, stand_in: Replica) -> CodeReading | Unmeasured:
    """As if the replica ran on its node. An image that is there only by its content needs no look."""
    what = f"what a new task of {stand_in.service} would run on node {stand_in.node}"
    try:
        engine = engines.of(stand_in)
        mounts, gone = _mounts_there(engine, stand_in)
        if hidden := next((m.target for m in gone if _covers(profile, stand_in, m)), ""):
            return Unmeasured(what, f"volume {hidden} is not there yet")
        image_id = engine.image_id(stand_in.image_name)
        if image_id is None and "@" in stand_in.image_name:  # it is fetched by its digest: nothing else can come
            return _behind_mounts(profile, engines, engine, replace(stand_in, mounts=mounts))
        found = Outside(profile, engines).after_a_recreate([replace(stand_in, mounts=mounts)])[stand_in.id]
        return found if isinstance(found, Unmeasured) else _with_image(profile, engine, stand_in, image_id, found)
    except Unreachable as error:
        return Unmeasured(what, error.message)


def _behind_mounts(profile: Profile, engines: Engines, engine: Engine, stand_in: Replica) -> CodeReading | Unmeasured:
    """What is mounted there, through some image of the node: its own would come by the digest. Raises Unreachable."""
    covered = [innermost(stand_in.mounts, path) is not None for path in profile.places(stand_in.service)]
    if not any(covered):
        return CodeReading((), ())
    instead = images.any_of(engine)
    if not all(covered) or not instead:
        what = f"what a new task of {stand_in.service} would run on node {stand_in.node}"
        why = "some of its code is mounted, some in its image" if instead else "the node has no image to look through"
        return Unmeasured(what, f"{why}, and {stand_in.image_name} is not there yet: pull it there")
    return Outside(profile, engines).after_a_recreate([replace(stand_in, image_name=instead)])[stand_in.id]


def _with_image(
    profile: Profile, engine: Engine, stand_in: Replica, image_id: str | None, found: CodeReading
) -> CodeReading | Unmeasured:
    """With the image itself: an item may be no more than its name."""
    if image_id == stand_in.image_id:
        return found
    values = Values(profile, engine).of_a_new_one(stand_in.service, {"image": stand_in.image_name})
    images = tuple(value for value in values if not value.is_setting)
    if any(value.held is Held.NEW for value in images):
        return replace(found, values=images)
    if any(file.new for file in found.files) or found.still_there:
        return found
    what = f"what a new task of {stand_in.service} would run on node {stand_in.node}"
    return Unmeasured(what, f"{stand_in.image_name} is another image there")


def _mounts_there(engine: Engine, stand_in: Replica) -> tuple[tuple[Mount, ...], tuple[Mount, ...]]:
    """Its mounts, and the volumes that do not exist there: to look must not make them. Raises Unreachable."""
    kept = [mount for mount in stand_in.mounts if mount.kind == "bind"]
    gone: list[Mount] = []
    for mount in stand_in.mounts:
        if mount.kind == "volume" and not mount.is_anonymous:
            (kept if _has_volume(engine, mount.name) else gone).append(mount)
    return tuple(kept), tuple(gone)


def _has_volume(engine: Engine, name: str) -> bool:
    with answering(f"volume {name}"):
        try:
            engine.client.api.inspect_volume(name)
        except NotFound:
            return False
    return True


def _covers(profile: Profile, stand_in: Replica, mount: Mount) -> bool:
    return any(innermost(stand_in.mounts, path) == mount for path in profile.places(stand_in.service))
