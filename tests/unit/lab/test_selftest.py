"""Who does what in a run of the catalogue."""

from __future__ import annotations

import random

import pytest

from lab.catalogue.entry import GO, Entry
from lab.selftest import Job, Work
from lab.team import TEAMS


@pytest.mark.parametrize("seed", range(20))
def test_one_station_at_a_time_has_a_teams_deployment(seed: int) -> None:
    """Its images have names of the whole engine; and everything is done."""
    entry = Entry("a", "b", "c", GO)
    jobs = [Job(entry, variant) for variant in (*TEAMS, "bind", "build") for _ in range(6)]
    work, dice = Work(jobs[:]), random.Random(seed)
    stations = {0: "", 1: "", 2: ""}
    done = 0
    while stations:
        number = dice.choice(list(stations))
        job = work.next(stations[number])
        if job is None:
            del stations[number]
            continue
        stations[number] = job.variant
        done += 1
        up = [variant for variant in stations.values() if variant in TEAMS]
        assert len(up) == len(set(up))
    assert done == len(jobs)
