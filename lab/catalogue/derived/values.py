"""Settings and images: each row changes what a replica was created with, or what a new one would get."""

from __future__ import annotations

from lab.catalogue.changes import BY_HAND, BY_RUN, GONE, Change, Row, _of_first, chain, first, having
from lab.catalogue.entry import CODE, GO, INCONCLUSIVE, NO_GO, RUNNING
from rollback_gate.change.reading import CodeReading, Held, ValueReading
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.configured import SAME_PARTS
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import ImageItem, Keep, SettingItem, ValueItem

# What the profile has besides its own items.
ITEMS: tuple[ValueItem, ...] = (
    SettingItem(kind="setting", services=("enrichment-worker",), file=".env", key="TIMEOUT", new="300", old="60"),
    ImageItem(
        kind="image", services=("enrichment-worker",), file=".env", key="TAG", new="worker:2.1", old="worker:2.0"
    ),
)


def values(side: str, *held: Held) -> Change:
    """What the first replica was created with (`code`), or a new one would be (`recreated`)."""
    found = tuple(_reading(item, one) for item, one in zip(ITEMS, held, strict=False))

    def change(reading: ReplicaReading) -> ReplicaReading:
        code = getattr(reading, side)
        assert isinstance(code, CodeReading)
        return having(reading, **{side: having(code, values=found)})

    return _of_first(change)


def in_a_process(readings: Readings) -> Readings:
    """The container was created with the old value, and its command sets the change's."""

    def change(reading: ReplicaReading) -> ReplicaReading:
        code = reading.code
        assert isinstance(code, CodeReading)
        return having(reading, code=having(code, set_in_a_process=(ITEMS[0].says,)))

    return _of_first(change)(readings)


def all_old(readings: Readings) -> Readings:
    """Every replica of the worker was created with the old values, and a new one would be."""
    found = tuple(_reading(item, Held.OLD) for item in ITEMS)

    def old(reading: ReplicaReading) -> ReplicaReading:
        sides = {side: getattr(reading, side) for side in ("code", "restarted", "recreated")}
        return having(
            reading,
            **{side: having(code, values=found) for side, code in sides.items() if isinstance(code, CodeReading)},
        )

    replicas = (old(one) if one.service == "enrichment-worker" else one for one in readings.replicas)
    return written(*(Held.OLD for _ in ITEMS))(having(readings, replicas=tuple(replicas)))


def written(*held: Held | Unmeasured) -> Change:
    """What the files hold."""
    found = {
        item.place: one if isinstance(one, Unmeasured) else ValueReading(item.place, one)
        for item, one in zip(ITEMS, held, strict=False)
    }
    return lambda readings: having(readings, written=found)


def otherwise(readings: Readings) -> Readings:
    """Compose would make something else of the files."""
    return having(readings, configured={**readings.configured, "enrichment-worker": "another environment A"})


def by_hash(readings: Readings) -> Readings:
    """Compose would make the very same of the files."""
    before = readings.replicas[0].before
    assert isinstance(before, Replica)
    return having(readings, configured={**readings.configured, "enrichment-worker": before.config_hash})


def by_parts(readings: Readings) -> Readings:
    """The parts that can be compared are the same; Compose's hash cannot be used."""
    return having(readings, configured={**readings.configured, "enrichment-worker": SAME_PARTS})


def hidden(readings: Readings) -> Readings:
    """The old value is that there is none, and there is none."""
    found = having(_reading(ITEMS[0], Held.OLD), is_shown=False)

    def change(reading: ReplicaReading) -> ReplicaReading:
        code = reading.code
        assert isinstance(code, CodeReading)
        return having(reading, code=having(code, values=(found, *code.values[1:])))

    return _of_first(change)(readings)


def _reading(item: ValueItem, held: Held) -> ValueReading:
    is_setting = isinstance(item, SettingItem)
    return ValueReading(item.says, held, is_setting=is_setting, is_shown=held is Held.OLD)


MIGRATION = Keep(says="the column currency", check=("true",))


def staying(is_there: bool | Unmeasured | None, before: bool | None) -> Change:
    """Whether the migration is there, and was when the run began; None: it was not asked."""

    def change(readings: Readings) -> Readings:
        kept = {} if is_there is None else {MIGRATION.says: is_there}
        return having(readings, kept=kept, kept_before={} if before is None else {MIGRATION.says: before})

    return change


_GONE = "is gone since the rollback began: the column currency"
STAYING: tuple[Row, ...] = tuple(
    (name, verdict, RUNNING, words, BY_RUN, staying(is_there, before))
    for name, verdict, words, is_there, before in (
        ("migration-there", GO, "", True, True),
        ("migration-gone", NO_GO, _GONE, False, True),
        ("migration-never-there", INCONCLUSIVE, "nor was it before the rollback", False, False),
        ("migration-missing-by-hand", INCONCLUSIVE, "is not known", False, None),
        ("migration-unread", INCONCLUSIVE, GONE.reason, GONE, True),
        ("migration-not-asked", INCONCLUSIVE, "it was not asked", None, True),
    )
)
_OLD, _NEW, _OTHER = Held.OLD, Held.NEW, Held.OTHER
ROWS: tuple[Row, ...] = tuple(
    (f"{name}-{base}", verdict, CODE, words, base, chain(all_old, *changes))
    for base in (BY_RUN, BY_HAND)
    for name, verdict, words, changes in (
        ("old-values", GO, "", ()),
        ("setting-of-the-change", NO_GO, "the change's TIMEOUT", (values("code", _NEW, _OLD),)),
        ("setting-in-a-process", NO_GO, "runs a process with the change's", (in_a_process,)),
        ("image-of-the-change", NO_GO, "the change's image worker", (values("code", _OLD, _NEW),)),
        ("another-value", INCONCLUSIVE, "is not known: TIMEOUT", (values("code", _OTHER, _OLD), otherwise)),
        ("none-under-that-name", INCONCLUSIVE, "is not known: TIMEOUT", (hidden, otherwise)),
        ("none-as-the-files-say", GO, "", (hidden, by_hash)),
        ("none-by-its-parts-only", INCONCLUSIVE, "is not known: TIMEOUT", (hidden, by_parts)),
        ("file-of-the-change", NO_GO, "TIMEOUT in .env holds the change's value", (written(_NEW, _OLD),)),
        ("file-of-the-new-image", NO_GO, "TAG in .env holds the change's value", (written(_OLD, _NEW),)),
        ("file-of-another-value", INCONCLUSIVE, "what is written is not known", (written(_OTHER, _OLD),)),
        ("file-unread", INCONCLUSIVE, GONE.reason, (written(GONE, _OLD),)),
        ("file-not-asked", INCONCLUSIVE, "it was not read", (written(_OLD),)),
        ("another-image", INCONCLUSIVE, "is not known: image worker", (values("code", _OLD, _OTHER),)),
        ("code-with-values-unread", INCONCLUSIVE, GONE.reason, (first(code=GONE),)),
        ("values-unread", INCONCLUSIVE, "not all of its settings", (values("code", _OLD),)),
        ("next-setting-of-the-change", NO_GO, "its next start would be", (values("recreated", _NEW, _OLD),)),
        ("next-image-of-the-change", NO_GO, "its next start would be", (values("recreated", _OLD, _NEW),)),
        ("next-value-another", INCONCLUSIVE, "something else than was judged", (values("recreated", _OTHER, _OLD),)),
    )
)
