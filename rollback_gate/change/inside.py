"""The code inside one container: its files, and what its programs import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rollback_gate.change import import_graph
from rollback_gate.change.code import Answer, parse, script
from rollback_gate.change.import_graph import KeptModules
from rollback_gate.change.outside import Outside
from rollback_gate.change.reading import CodeReading
from rollback_gate.change.values import Values
from rollback_gate.errors import Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.platform.archive import file_in, python_files_in
from rollback_gate.platform.engines import Engines, now_of
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

Ask = Callable[[Replica, str], Answer]


@dataclass(frozen=True)
class Inside:
    """`ask` runs a command in a replica. `partial`: the rollback keeps the new modules, which must not be used."""

    profile: Profile
    engines: Engines
    ask: Ask
    partial: bool

    def code(self, replica: Replica | None) -> CodeReading | Unmeasured:
        """Requires a running container: in a stopped one every file would seem to be missing."""
        if replica is None:
            return Unmeasured("the code", "the replica does not exist")
        what = f"the code in {replica.name}"
        if not replica.is_running:
            return Unmeasured(what, f"the container is {replica.condition}; nothing can be asked inside it")
        answer = self.ask(replica, script(self.profile, replica))
        if answer.has_no_shell:
            reading = Outside(self.profile, self.engines).instead_of_inside(replica)
        else:
            reading = parse(self.profile, answer, replica)
        try:
            now = now_of(self.engines, replica)
        except Unreachable as error:
            return Unmeasured(what, error.message)
        if now is None or not now.is_running or now.started_at != replica.started_at:
            return Unmeasured(what, "the container was stopped or restarted while it was being read")
        return reading if isinstance(reading, Unmeasured) else self._completed(reading, replica)

    def _completed(self, reading: CodeReading, replica: Replica) -> CodeReading | Unmeasured:
        """With what a script inside the container cannot tell."""
        try:
            values = Values(self.profile, self.engines.of(replica)).of(replica)
        except Unreachable as error:
            return Unmeasured(f"the settings of {replica.name}", error.message)
        return replace(reading, values=values, kept=self._kept(replica) if self.partial else None)

    def _kept(self, replica: Replica) -> KeptModules | Unmeasured:
        profile = self.profile
        files: dict[str, str] = {}
        waiting = {PurePosixPath(entry).parts[0] for entry in profile.partial.entries}
        seen: set[str] = set()
        try:
            while waiting:  # imports may lead to sibling folders
                seen |= waiting
                for name in waiting:
                    files |= self._python_files(replica, name)
                waiting = import_graph.top_names(files) - seen
        except Unreachable as error:
            return Unmeasured(f"what {replica.name} imports", error.message)
        return import_graph.read(files, profile.partial.entries, profile.removed(), replica.name)

    def _python_files(self, replica: Replica, name: str) -> dict[str, str]:
        """Files of the folder `name`, or of the module `name`.py, in the service's root; {} if neither is there."""
        folder = self.profile.inside(replica.service, name)
        engine = self.engines.of(replica)
        found = python_files_in(engine, replica.id, folder)
        data = None if found else file_in(engine, replica.id, f"{folder}.py")
        alone = {} if data is None else {f"{name}.py": data.decode(errors="replace")}
        return {f"{name}/{path}": text for path, text in found.items()} | alone
