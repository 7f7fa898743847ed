"""Readings that `invoke selftest --readings` kept, read back and judged by the gate's own tests without pytest."""

from __future__ import annotations

import dataclasses
import gzip
import importlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.catalogue import CATALOGUE
from lab.catalogue.derived import DERIVED, Derived
from lab.catalogue.entry import Entry, Judged
from rollback_gate.checks.manifest import CHECKS, Scope
from rollback_gate.checks.verdict import Ran, judge
from rollback_gate.evidence.readings import Readings
from rollback_gate.instant import Instant
from rollback_gate.model import Claim, Unmeasured
from rollback_gate.profile.load import load
from rollback_gate.profile.schema import Profile
from rollback_gate.record import build
from rollback_gate.suite import subjects

ROOT = Path(__file__).resolve().parents[1]
_OF_REPLICAS = {"replica": subjects.Replica, "consumer": subjects.Consumer}
_OF_ALL = {"services": subjects.Services, "documents": subjects.Documents, "queue": subjects.Queue}
SILENT = "concludes nothing"
FOLDER = ROOT / "tests" / "readings"


@dataclass(frozen=True)
class Recorded:
    """What one entry of the catalogue measured."""

    name: str
    entry: Entry
    slots: Mapping[str, bool]
    readings: Readings
    profile: Profile

    @classmethod
    def read(cls, path: Path) -> Recorded:
        row = json.loads(gzip.decompress(path.read_bytes()))
        profile = load(ROOT / "profiles" / "phase1.toml", {}, row["settings"]).profile
        entry = next(entry for entry in CATALOGUE if entry.name == row["entry"])
        readings: Readings = from_plain(Readings, row["readings"])
        return cls(path.name.removesuffix(".json.gz"), entry, row["slots"], readings, profile)

    def why_not(self) -> str:
        """Why the answer is not the required one, or ""; every test must conclude something and none may break."""
        ran = claims_of(self)
        silent = [test for test, one in ran.items() if one.claim is None]
        if silent:
            return f"{silent[0]} {SILENT}: {ran[silent[0]].trouble}"
        judgement = judge(self.slots, ran, Scope.of(self.profile))
        record = {"findings": build.plain(judgement.findings)}
        return self.entry.why_not(Judged(judgement.verdict.value, judgement.reason, record))


def all_of_them(folder: Path = FOLDER) -> list[Recorded]:
    """All recorded readings, and those derived from them."""
    found = {path.name.removesuffix(".json.gz"): Recorded.read(path) for path in sorted(folder.glob("*.json.gz"))}
    return [*found.values(), *(_derived(one, found[one.base]) for one in DERIVED)]


def _derived(one: Derived, base: Recorded) -> Recorded:
    more = {**one.profile, "change": (*base.profile.change, *one.profile.get("change", ()))}
    profile = base.profile.model_copy(update=more)
    return replace(base, name=one.entry.name, entry=one.entry, readings=one.change(base.readings), profile=profile)


def claims_of(recorded: Recorded) -> dict[str, Ran]:
    """What each required test of tests/gate concludes from these readings; one that raises without a claim has none."""
    ran = {}
    required = {one.test for one in Scope.of(recorded.profile).required}
    for check in CHECKS:
        module = importlib.import_module(f"tests.gate.test_{check}")
        for name, test in vars(module).items():
            if name in required:
                for slot in _slots(test, recorded):
                    suffix = f"[{slot}]" if slot else ""
                    ran[f"test_{check}::{name}{suffix}"] = _asked(test, recorded, slot)
    return ran


def _slots(test: Callable[..., None], recorded: Recorded) -> tuple[str, ...]:
    asked = inspect.signature(test).parameters
    if "consumer" in asked:
        return tuple(slot for slot, consumes in recorded.slots.items() if consumes)
    return tuple(recorded.slots) if "replica" in asked else ("",)


def _subject(name: str, recorded: Recorded, slot: str, keep: Callable[[Claim], None]) -> subjects.Subject | None:
    """What the fixture of this name returns; None for a replica that was not read."""
    readings, profile = recorded.readings, recorded.profile
    if name in _OF_REPLICAS:
        reading = next((r for r in readings.replicas if r.slot == slot), None)
        return None if reading is None else _OF_REPLICAS[name](readings, profile, keep, reading)
    return _OF_ALL[name](readings, profile, keep)


def _asked(test: Callable[..., None], recorded: Recorded, slot: str) -> Ran:
    kept: list[Claim] = []
    (name,) = inspect.signature(test).parameters
    subject = _subject(name, recorded, slot, kept.append)
    if subject is None:
        return Ran("", True, None, "no such replica was read")
    try:
        test(subject)
    except (AssertionError, AttributeError, TypeError, ValueError, NameError, KeyError, IndexError) as error:
        return Ran("failed", True, kept[-1] if kept else None, str(error))
    return Ran("passed", True, kept[-1] if kept else None)


def from_plain(wanted: Any, value: Any) -> Any:
    """The value of type `wanted` that `record.build.plain` turned into `value`."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(value, dict) and value.keys() == {"unmeasured"}:
        return Unmeasured(**value["unmeasured"])
    if origin in (typing.Union, types.UnionType):
        return None if value is None else from_plain(_arm(arguments, value), value)
    if wanted is Instant:
        return Instant.parse(value)
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        hints = typing.get_type_hints(wanted)
        return wanted(**{key: from_plain(hints[key], item) for key, item in value.items()})
    if origin is tuple:
        parts = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(from_plain(part, item) for part, item in zip(parts, value, strict=True))
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {key: from_plain(arguments[1], item) for key, item in value.items()}
    return value


def _arm(arguments: tuple[Any, ...], value: Any) -> Any:
    """The type of a union that is neither None nor Unmeasured; a plain value takes its own type."""
    arms = [arm for arm in arguments if arm not in (type(None), Unmeasured)]
    return next((arm for arm in arms if isinstance(arm, type) and isinstance(value, arm)), arms[0])
