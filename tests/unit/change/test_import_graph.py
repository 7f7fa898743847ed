"""Which modules a program imports is read from files; nothing is imported to find out."""

from __future__ import annotations

import pytest

from lab.reference import HERE
from rollback_gate.change import import_graph
from rollback_gate.change.import_graph import KeptModules
from rollback_gate.model import Unmeasured
from tests.unit.builders import phase1

KEPT = phase1().removed()
WORKER = "enrichment_service/workers/enrichment_worker.py"


def read(files: dict[str, str], *entries: str) -> KeptModules | Unmeasured:
    return import_graph.read(files, entries or (WORKER,), KEPT, "w-1")


@pytest.mark.parametrize(
    "line",
    [
        "from enrichment_service.errors.error_types import get_error_type",
        "import enrichment_service.errors",
        "from enrichment_service import errors",
        "from ..errors import error_types",
        "from .. import errors",
        "def later():\n    import enrichment_service.errors as e",
        "try:\n    from enrichment_service.errors import x\nexcept ImportError: ...",
    ],
)
def test_any_import_of_a_kept_module_is_seen(line: str) -> None:
    """At the top, in a function, guarded, relative: also two files away."""
    files = {
        WORKER: "from enrichment_service.workers import agent_orchestrator",
        "enrichment_service/workers/agent_orchestrator.py": line,
        "enrichment_service/errors/__init__.py": "",
    }
    found = read(files)
    assert isinstance(found, KeptModules)
    assert found.imported[0].startswith(
        "enrichment_service/errors/__init__.py, imported by enrichment_service/workers/agent_orchestrator.py:"
    )


def test_what_nobody_imports_is_not_used() -> None:
    """A file that is there and that no program reaches may import what it likes."""
    files = {
        WORKER: "import os\nfrom pymongo.errors import PyMongoError",
        "enrichment_service/unused.py": "import enrichment_service.errors",
        "enrichment_service/errors/__init__.py": "",
    }
    assert read(files) == KeptModules((), ())


def test_the_module_beside_the_folder_is_the_one_that_python_takes() -> None:
    """As the real change: config.py beside config/ without __init__; importing config does not import config/timeouts."""
    files = {
        WORKER: "from enrichment_service import config",
        "enrichment_service/config.py": "",
        "enrichment_service/config/timeouts.py": "",
    }
    assert read(files) == KeptModules((), ())


def test_a_module_that_is_named_in_a_text_could_be_imported() -> None:
    """A name given to importlib is no proof of an import, and is never overlooked."""
    found = read({WORKER: "importlib.import_module('enrichment_service.errors.retry_strategy')"})
    assert found == KeptModules((), (f"{WORKER}:1 names enrichment_service.errors.retry_strategy",))


@pytest.mark.parametrize(
    "line",
    ["importlib.import_module('.errors', 'enrichment_service')", "__import__(name)", "from errors import error_types"],
)
def test_ways_that_cannot_be_followed_are_named(line: str) -> None:
    """Relative or computed names, and a kept module's name from another folder on the path: never a pass."""
    found = read({WORKER: line})
    assert isinstance(found, KeptModules)
    assert found.named
    assert not found.imported


def test_which_folders_are_looked_into() -> None:
    """Those of anything that is imported and is not Python's own."""
    assert import_graph.top_names({WORKER: "import os, common.util\nfrom pymongo import x\nfrom . import y"}) == {
        "common",
        "pymongo",
        "enrichment_service",
    }


@pytest.mark.parametrize(("files", "says"), [({}, "is not there"), ({WORKER: "def ("}, "is no Python")])
def test_what_cannot_be_read_is_unmeasured(files: dict[str, str], says: str) -> None:
    """Code that cannot be read is no code without imports."""
    found = read(files)
    assert isinstance(found, Unmeasured)
    assert says in found.reason


def test_the_releases_of_the_lab() -> None:
    """Phase 1's worker imports its modules; the old one, with them beside it, does not."""

    def tree(*layers: str) -> dict[str, str]:
        return {
            str(p.relative_to(HERE / "releases" / layer)): p.read_text()
            for layer in layers
            for p in (HERE / "releases" / layer).rglob("*.py")
        }

    entries = phase1().partial.entries
    partial = read(tree("common", "phase1", "before"), *entries)
    change = read(tree("common", "before", "phase1"), *entries)
    assert partial == KeptModules((), ())
    assert isinstance(change, KeptModules)
    assert len(change.imported) >= 3
