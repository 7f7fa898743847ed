"""Which consumers are replicas of this deployment."""

from __future__ import annotations

from dataclasses import replace

from rollback_gate.evidence import consumers
from rollback_gate.evidence.adapters.queue_nsq import parse
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from tests.unit.builders import replica
from tests.unit.evidence.adapters.test_queue_nsq import STATS


def test_a_stranger_is_neither_by_address_nor_by_host_name_ours() -> None:
    reading = parse(STATS, "enrichment", "enrichment_worker")
    assert consumers.strangers(reading, [replica()]) == ("laptop at 10.1.2.3:50000",)
    by_address = replica(hostname="custom", addresses=("172.18.0.9",))
    assert consumers.strangers(reading, [by_address]) == ("laptop at 10.1.2.3:50000",)


def test_a_second_connection_of_a_replica_is_a_stranger() -> None:
    """`docker exec` starts a consumer of any code in our own container, under its name and address."""
    own = replica()
    one = Consumer(own.hostname, f"{own.addresses[0]}:1", 0)
    reading = QueueReading(0, 0, (one,), 0)
    assert consumers.strangers(reading, [own]) == ()
    twice = replace(reading, consumers=(one, replace(one, address=f"{own.addresses[0]}:2")))
    assert consumers.strangers(twice, [own]) == (f"a second process in {own.hostname}, at {own.addresses[0]}:2",)


def test_a_replica_without_an_address_of_its_own_is_no_stranger() -> None:
    """In the host's network it has the machine's name: one client of that name may be it, and no other one."""
    reading = parse(STATS, "enrichment", "enrichment_worker")
    hosted = replica(id="d" * 64, hostname="laptop", addresses=())
    assert consumers.untold(reading, [replica(), hosted]) == [hosted]
    assert consumers.strangers(reading, [replica(), hosted]) == ()
    assert consumers.strangers(reading, [hosted]) == ("cccccccccccc at 172.18.0.9:4711",)
    elsewhere = replica(id="d" * 64, hostname="server", addresses=())
    assert consumers.strangers(reading, [replica(), elsewhere]) == ("laptop at 10.1.2.3:50000",)


def test_what_a_replica_finished_by_the_queues_word() -> None:
    """Counted per connection: a new connection begins at 0 and proves nothing."""
    mine, other = Consumer("c" * 12, "172.18.0.5:1", 3), Consumer("d" * 12, "172.18.0.6:1", 9)
    before, after = QueueReading(0, 0, (mine, other), 12), QueueReading(0, 0, (replace(mine, finished=5), other), 14)
    assert consumers.finished_by(replica(), before, after) == 2
    assert consumers.finished_by(replica(), after, before) is None
    assert consumers.finished_by(replica(), QueueReading(0, 0, (other,), 9), after) is None
    assert consumers.finished_by(replica(), Unmeasured("the queue", "down"), after) is None


def test_a_replica_that_the_queue_sees_under_another_address_is_no_stranger() -> None:
    """Through a published port it has the bridge's address; with `hostname:` in the Compose file, a name that others have."""
    reading = QueueReading(0, 0, (Consumer("worker", "172.18.0.1:4000"), Consumer("worker", "172.18.0.1:4001")), 0)
    both = [replica(id=c * 64, hostname="worker", addresses=(f"10.0.0.{n}",)) for n, c in enumerate("ab", 1)]
    assert consumers.untold(reading, both) == both
    assert consumers.strangers(reading, both) == ()
    assert consumers.strangers(reading, both[:1]) == ("worker at 172.18.0.1:4001",)
