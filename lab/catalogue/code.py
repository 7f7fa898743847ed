"""Sabotage: new code is still present somewhere."""

from __future__ import annotations

import functools
import os
import shutil
from typing import Any

from lab.catalogue import plant
from lab.catalogue.entry import CODE, INCONCLUSIVE, NO_GO, OLDER_PROCESS, PROCESSING, Entry, Start
from lab.reference import COORDINATOR, ORCHESTRATOR, WORKER, Lab


def not_restarted(lab: Lab) -> None:
    """What the runbook does on the real system: files are restored, and nothing restarts."""
    plant.old_files(lab)


def not_rebuilt(lab: Lab) -> None:
    plant.old_files(lab)
    lab.recreate(WORKER)
    lab.wait_consuming()


def touched(lab: Lab) -> None:
    """A correct rollback by hand, after which the restored file is touched."""
    plant.old_files(lab)
    plant.restart(lab, *lab.containers(WORKER), *lab.containers(COORDINATOR))
    (lab.directory / ORCHESTRATOR).touch()


def bytecode_thrown_away(lab: Lab) -> None:
    """As `touched`, then Python's bytecode is removed, which changes the folders' times too."""
    touched(lab)
    for folder in lab.directory.glob("enrichment_service/**/__pycache__"):
        shutil.rmtree(folder)


def one_replica_new(lab: Lab) -> None:
    lab.put_files("phase1")
    plant.restart(lab, lab.containers(WORKER)[0])
    plant.old_files(lab)


def one_replica_of_the_new_image(lab: Lab) -> None:
    """An image's name moves; a replica keeps the image that it was created from."""
    name = lab.containers(WORKER)[0].attrs["Config"]["Image"]
    old = lab.engine.images.get(name)
    lab.put_files("phase1")
    lab.build_image()
    lab.containers(WORKER)[1].remove(force=True)
    lab.compose("up", "-d", "--no-deps", "--no-build", "--no-recreate", WORKER)
    lab.wait_consuming()
    old.tag(*name.split(":")[:1])
    plant.old_files(lab)


def built_with(lab: Lab, relative: str) -> None:
    plant.put(lab, relative, plant.release_file("phase1", relative))
    lab.build_image()
    lab.recreate(WORKER)
    lab.wait_consuming()


def left_in_place(lab: Lab, relative: str) -> None:
    plant.put(lab, relative, plant.release_file("phase1", relative))
    plant.restart(lab)


def timeouts_left_and_used(lab: Lab) -> None:
    relative = "enrichment_service/config/timeouts.py"
    plant.put(lab, relative, plant.release_file("phase1", relative))
    plant.change(
        lab, plant.WORKER_FILE, "import pymongo", "import pymongo\nfrom enrichment_service.config import timeouts"
    )
    plant.restart(lab)


def restored_from_a_new_backup(lab: Lab) -> None:
    """A second deployment made a backup of Phase 1; restoring it keeps the change."""
    plant.put(lab, f"{ORCHESTRATOR}.backup.20260122_100000", plant.release_file("phase1"))
    lab.put_files("phase1")
    plant.put(lab, ORCHESTRATOR, plant.release_file("phase1"))
    plant.restart(lab)


def one_byte(lab: Lab) -> None:
    plant.put(lab, f"{ORCHESTRATOR}.backup.20260121_090000", plant.release_file("before"))
    path = lab.directory / ORCHESTRATOR
    path.write_text(path.read_text() + "\n")
    plant.restart(lab)


_MARKING = """
_old = AgentOrchestrator.enrich_document
async def _marked(self, *a, **k):
    enriched = await _old(self, *a, **k)
    enriched.setdefault("metadata", {})["_source"] = "actual"
    return enriched
AgentOrchestrator.enrich_document = _marked
"""


def stale_bytecode(lab: Lab) -> None:
    """Bytecode of other code, marked unchecked: Python runs it, whatever the file contains."""
    _compiled_with(lab, _MARKING)


def silent_bytecode(lab: Lab) -> None:
    """The same, newer than the restored file, and it shows in no document and in no line."""
    _compiled_with(lab, "get_tool_timeout = None\n")


def _compiled_with(lab: Lab, addition: str) -> None:
    path = lab.directory / ORCHESTRATOR
    old = path.read_bytes()
    path.write_bytes(old + addition.encode())
    compile_it = (
        "import py_compile; py_compile.compile('/app/enrichment_service/workers/agent_orchestrator.py', "
        "invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, doraise=True)"
    )
    status, output = lab.containers(WORKER)[0].exec_run(["python", "-c", compile_it])
    assert status == 0, output
    path.write_bytes(old)
    for bytecode in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        os.utime(bytecode)
    plant.restart(lab, *lab.containers(WORKER), *lab.containers(COORDINATOR))


def package_beside(lab: Lab) -> None:
    """With the old code in it: nothing but its place shows that the restored file is not what runs."""
    package = f"{str(ORCHESTRATOR).removesuffix('.py')}/__init__.py"
    plant.put(lab, package, plant.release_file("before", str(ORCHESTRATOR)))
    plant.restart(lab)


def shadowed(lab: Lab) -> None:
    """The old file is in place, but another copy of the package comes first on Python's path."""
    for relative in (
        "workers/agent_orchestrator.py",
        "errors/__init__.py",
        "errors/error_types.py",
        "errors/retry_strategy.py",
        "config/timeouts.py",
    ):
        plant.put(
            lab, f"enrichment_service/shadow/{relative}", plant.release_file("phase1", f"enrichment_service/{relative}")
        )
    plant.before(lab, "enrichment_service/__init__.py", "__path__.insert(0, '/app/enrichment_service/shadow')")
    plant.put(
        lab, "enrichment_service/shadow/workers/__init__.py", b"__path__.append('/app/enrichment_service/workers')\n"
    )
    plant.change(
        lab,
        plant.CONFIG,
        'os.path.join(os.path.dirname(__file__), "config")',
        '"/app/enrichment_service/shadow/config"',
    )
    plant.restart(lab)


def wrong_tag(lab: Lab) -> None:
    """The image's name refers to Phase 1 again, and the worker was recreated from it."""
    lab.put_files("phase1")
    lab.build_image()
    lab.recreate(WORKER)
    lab.wait_consuming()


def tag_moved(lab: Lab) -> None:
    """Old code runs, but the image's name refers to Phase 1: the next recreate would bring it back."""
    lab.put_files("phase1")
    lab.build_image()


def stray(release: str) -> functools.partial[None]:
    return functools.partial(plant.stray, release=release)


def new_documents(lab: Lab) -> None:
    plant.documents(lab, 3, 0.2778, _source="actual")


def new_documents_otherwise(lab: Lab, **fields: Any) -> None:
    """Documents of Phase 1 with these fields in a form that our code never writes."""
    new_documents(lab)
    lab.database.enriched_documents.update_many({"_id": {"$regex": "^planted-"}}, {"$set": fields})


ENTRIES = (
    Entry(
        "not-restarted",
        "code",
        "files are restored, the processes are Phase 1",
        NO_GO,
        CODE,
        OLDER_PROCESS,
        not_restarted,
        start=Start.CHANGE,
    ),
    Entry(
        "touched",
        "code",
        "rolled back by hand, then the restored file was touched",
        INCONCLUSIVE,
        CODE,
        "restart it to be sure",
        touched,
        start=Start.CHANGE,
    ),
    Entry(
        "touched-and-bytecode-thrown-away",
        "code",
        "rolled back by hand, then the restored file was touched and Python's bytecode was removed",
        INCONCLUSIVE,
        CODE,
        "restart it to be sure",
        bytecode_thrown_away,
        start=Start.CHANGE,
    ),
    Entry(
        "not-rebuilt",
        "code",
        "files are restored, the image is Phase 1",
        NO_GO,
        CODE,
        "not the old code",
        not_rebuilt,
        ("build", "single"),
        start=Start.CHANGE,
    ),
    Entry(
        "untouched",
        "code",
        "nobody rolled anything back",
        NO_GO,
        CODE,
        "still has modules",
        lambda _: None,
        ("bind", "build", "single", "image"),
        Start.CHANGE,
    ),
    Entry(
        "one-replica-new",
        "code",
        "one of two replicas runs Phase 1",
        NO_GO,
        CODE,
        OLDER_PROCESS,
        one_replica_new,
    ),
    Entry(
        "one-replica-of-the-new-image",
        "code",
        "one of two replicas is of the Phase 1 image",
        NO_GO,
        CODE,
        "not the old code",
        one_replica_of_the_new_image,
        ("build",),
    ),
    Entry(
        "errors-left-in-the-image",
        "code",
        "errors/ was built into the image again",
        NO_GO,
        CODE,
        "still has modules",
        lambda lab: built_with(lab, "enrichment_service/errors/error_types.py"),
        ("build", "single", "image"),
    ),
    Entry(
        "errors-left",
        "code",
        "errors/ was left in place",
        NO_GO,
        CODE,
        "still has modules",
        lambda lab: left_in_place(lab, "enrichment_service/errors/error_types.py"),
    ),
    Entry(
        "timeouts-left-and-imported",
        "code",
        "config/timeouts.py was left, and the worker imports it",
        NO_GO,
        CODE,
        "still has modules",
        timeouts_left_and_used,
    ),
    Entry(
        "backup-of-the-change",
        "code",
        "restored from a backup that is Phase 1",
        NO_GO,
        CODE,
        "holds new code",
        restored_from_a_new_backup,
    ),
    Entry(
        "one-byte",
        "code",
        "the restored file differs by one byte from the newest backup, by hand",
        INCONCLUSIVE,
        CODE,
        "but another one than the newest backup",
        one_byte,
    ),
    Entry(
        "one-byte-after-the-run",
        "code",
        "the file that a run restored differs by one byte from what it was",
        NO_GO,
        CODE,
        "is not the source's",
        lambda lab: plant.change(lab, str(ORCHESTRATOR), "\n", "\n\n"),
        start=Start.RUN,
    ),
    Entry(
        "file-missing",
        "code",
        "the restored file is gone",
        NO_GO,
        CODE,
        "does not exist",
        lambda lab: plant.remove(lab, str(ORCHESTRATOR)),
    ),
    Entry(
        "stale-bytecode",
        "code",
        "bytecode of other code is run in place of the old file",
        NO_GO,
        CODE,
        "carry the new code's mark",
        stale_bytecode,
    ),
    Entry(
        "silent-bytecode",
        "code",
        "bytecode of the change, newer than the old file, which shows in nothing else",
        NO_GO,
        CODE,
        "bytecode for",
        silent_bytecode,
    ),
    Entry(
        "shadowed",
        "code",
        "another copy of the package comes first on the path",
        NO_GO,
        CODE,
        "carry the new code's mark",
        shadowed,
    ),
    Entry(
        "package-beside",
        "code",
        "a package beside the restored file has its name, and is imported",
        INCONCLUSIVE,
        CODE,
        "imports in place of the restored file",
        package_beside,
    ),
    Entry(
        "stray-worker",
        "code",
        "a Phase 1 worker of another project consumes the same queue",
        NO_GO,
        PROCESSING,
        "other consumers of the queue",
        stray("phase1"),
    ),
    Entry(
        "old-stray-worker",
        "code",
        "an old worker of another project consumes the same queue",
        INCONCLUSIVE,
        PROCESSING,
        "find out what they run",
        stray("before"),
    ),
    Entry(
        "wrong-image-tag",
        "code",
        "the image's name means Phase 1, and it runs",
        NO_GO,
        CODE,
        "not the old code",
        wrong_tag,
        ("image", "build"),
    ),
    Entry(
        "image-tag-moved",
        "code",
        "the image's name means Phase 1; what runs is old",
        NO_GO,
        CODE,
        "its next start would be the change",
        tag_moved,
        ("image", "build"),
        Start.RUN,
    ),
    Entry(
        "mark-in-a-list",
        "code",
        "documents of Phase 1 whose metadata is a list",
        NO_GO,
        CODE,
        "carry the new code's mark",
        lambda lab: new_documents_otherwise(lab, **{"enriched_data.metadata": [{"_source": "actual"}]}),
    ),
    Entry(
        "metadata-as-text",
        "code",
        "documents whose metadata is text: a mark could not be seen",
        INCONCLUSIVE,
        CODE,
        "have no fields where the new code's mark would be",
        lambda lab: new_documents_otherwise(lab, **{"enriched_data.metadata": "_source=actual"}),
    ),
    Entry(
        "time-as-text",
        "code",
        "documents of Phase 1 whose time of creation is text",
        INCONCLUSIVE,
        CODE,
        "have no time of creation",
        lambda lab: new_documents_otherwise(lab, created_at="2026-11-26T07:00:00Z"),
    ),
    Entry(
        "new-documents",
        "code",
        "documents of Phase 1 are written after the boundary",
        NO_GO,
        CODE,
        "carry the new code's mark",
        new_documents,
    ),
    Entry(
        "logs-show-it",
        "code",
        "old files, and Phase 1's lines in the log",
        NO_GO,
        CODE,
        "logged error classification",
        lambda lab: plant.log(lab, f"{plant.PHASE1_LINE}\n".encode()),
    ),
)
