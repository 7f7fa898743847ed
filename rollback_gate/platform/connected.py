"""The way to a deployment's engines, as its profile says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from rollback_gate.errors import RollbackGateError, Unreachable, WrongSetting
from rollback_gate.platform import engine as one
from rollback_gate.platform.engine import Engine, answering
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import PROJECT_LABEL
from rollback_gate.platform.swarm.cluster import Cluster, read_id, read_nodes
from rollback_gate.platform.swarm.connections import Connections
from rollback_gate.platform.swarm.nodes import Node
from rollback_gate.platform.swarm.stack import STACK_LABEL
from rollback_gate.profile.deployment import NodeAddress
from rollback_gate.profile.schema import Profile

_OF_ANOTHER = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


def connect(profile: Profile, environ: Mapping[str, str]) -> Engines:
    """The engine of the command line; for a Swarm it must be a manager.

    Raises Unreachable; WrongSetting if the project runs on the other platform.
    """
    engine = one.connect(environ)
    try:
        if profile.deployment.platform == "swarm":
            return _of_swarm(profile, engine, environ)
        return _of_compose(profile, engine)
    except RollbackGateError:
        engine.close()
        raise


def _of_compose(profile: Profile, engine: Engine) -> Engine:
    project = profile.deployment.project
    if _has(engine, STACK_LABEL, project) and not _has(engine, PROJECT_LABEL, project):
        raise WrongSetting(f"{project} is a stack of a Swarm", 'set deployment.platform = "swarm"')
    return engine


def _of_swarm(profile: Profile, engine: Engine, environ: Mapping[str, str]) -> Cluster:
    project, found = profile.deployment.project, cluster_of(engine, environ, profile.nodes)
    if _has(engine, PROJECT_LABEL, project) and not found.services(project):
        raise WrongSetting(f"{project} is a project of Docker Compose", 'set deployment.platform = "compose"')
    return found


def cluster_of(manager: Engine, environ: Mapping[str, str], addresses: Mapping[str, NodeAddress]) -> Cluster:
    """The Swarm of this manager. `addresses`: of its nodes, by name. Raises Unreachable if it is none."""
    known_as, own = read_id(manager), _node_of(manager)
    reach = partial(_engine_on, manager, own, addresses, environ)
    return Cluster(manager, known_as, read_nodes(manager), Connections(reach))


def _has(engine: Engine, label: str, value: str) -> bool:
    return value in engine.values_of(label).values()


def _engine_on(
    manager: Engine, own: str, addresses: Mapping[str, NodeAddress], environ: Mapping[str, str], node: Node
) -> Engine:
    """The node's own engine. Raises Unreachable, also if another one answers there."""
    if node.id == own and node.name not in addresses:
        return manager
    engine = one.connect(_environment(addresses.get(node.name), node, environ))
    answers = _node_of(engine)
    if answers != node.id:
        engine.close()
        raise Unreachable(f"at {engine.host} answers another engine than this node's", f"correct nodes.{node.name}")
    return engine


def _environment(address: NodeAddress | None, node: Node, environ: Mapping[str, str]) -> dict[str, str]:
    """The command line's own way to that engine; without one in the profile, by ssh to the node's address."""
    rest = {key: value for key, value in environ.items() if key not in _OF_ANOTHER}
    if address is None:
        return {**rest, "DOCKER_HOST": f"ssh://{node.as_host}"}
    if address.context:
        return {**rest, "DOCKER_CONTEXT": address.context}
    tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(address.certificates)} if address.certificates else {}
    return {**rest, "DOCKER_HOST": address.address, **tls}


def _node_of(engine: Engine) -> str:
    """Id of the engine's node, "" if it is in no Swarm. Raises Unreachable."""
    with answering("its node"):
        return str((engine.client.api.info().get("Swarm") or {}).get("NodeID") or "")
