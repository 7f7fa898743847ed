"""States what a check found in one plain sentence. Pure.

It claims no more than the assertions show: each sentence of a failure belongs to one test of tests/gate.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rollback_gate.checks.manifest import OWN
from rollback_gate.model import Claim

_MOST_NAMES = 3
_FORMS = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")  # [singular|plural]
_PASSED = {
    "new_behaviour": "{who} [runs|run] the old code",
    "worker_running": "{who} [runs|run], and stayed up while the checks ran",
    "processing": "{workers} [has|have] finished a document since [its|their] start, and it was saved",
    "completeness": "{says}",
    OWN: "all of them hold",
}
_FAILED = {
    "test_restored_files_are_the_old_code": "{who} [does|do] not have the old code",
    "test_removed_modules_are_gone": "{who}: {says}",
    "test_settings_and_images_are_the_old_ones": "{who}: {says}",
    "test_process_started_after_the_restore": "{who} still [runs|run] what [it|they] loaded before the old code was "
    "put back: [it was|they were] not restarted since",
    "test_code_stays_the_same": "the code of {who} changed while the checks ran",
    "test_next_start_is_what_was_judged": "the next start of {who} would not be of the code that was judged",
    "test_no_service_is_left_out": "a service that is not in the profile carries the change",
    "test_log_shows_no_new_behaviour": "{who} [logs|log] what only the change logs",
    "test_fresh_documents_carry_no_mark": "documents written since the boundary carry the mark of the change",
    "test_expected_number_of_replicas_runs": "not as many replicas run as are expected",
    "test_no_replica_comes_or_goes": "replicas came or went while the checks ran",
    "test_replica_is_running_and_healthy": "{who} [is|are] not running, or not healthy",
    "test_replica_stays_up": "{who}: {says}",
    "test_replica_started_without_errors": "{who} logged errors while starting",
    "test_replica_logs_few_errors": "{who}: {says}",
    "test_replica_runs_the_intended_image": "{who} [does|do] not run the intended image",
    "test_configuration_is_the_one_of_now": "a container is not configured as the Compose files say now",
    "test_what_must_stay_is_there": "what must stay {says}",
    "test_platform_is_at_rest": "the Swarm is not at rest: {says}",
    "test_document_comes_out_of_every_replica": "not every worker finishes documents",
    "test_documents_are_saved_with_metrics": "documents were not saved with their metrics",
    "test_no_document_hangs": "a document hangs",
    "test_nobody_else_consumes_the_queue": "another consumer reads from the queue",
    "test_traces_of_test_documents_are_named": "test documents left traces",
    "test_services_answer": "what the service answers is {says}",
    "test_metric_is_in_the_band": "{says}",
    "test_scores_are_in_the_band": "completeness is not what it was: {says}",
    "test_scores_are_readable": "scores of documents cannot be right: {says}",
    "test_clocks_agree": "the clocks of worker and engine do not agree",
}
TESTS = frozenset(_FAILED)
_NUMBERS = {4: "four", 5: "five"}


def all_passed(slots: Mapping[str, bool], share: str = "", count: int = 4) -> str:
    """The sentence for a GO. `slots`: every replica, and whether it reads the queue. `share`: "3 of 4" checks."""
    return f"{share or f'all {_NUMBERS[count]}'} checks passed on {_crew(slots)}"


def passed(check: str, slots: Mapping[str, bool], claims: Sequence[Claim]) -> str:
    """The sentence for a check whose claims all passed; `claims` are in the order of the manifest."""
    workers = [slot for slot, consumes in slots.items() if consumes]
    if check == "processing" and claims[0].subject == "answers":
        return f"what the service answers is {claims[0].says}"
    is_single = len(workers) == 1 if "{workers}" in _PASSED[check] else len(slots) == 1
    text = _formed(_PASSED[check], is_single)
    return text.format(who=_crew(slots), workers=_names(workers, slots), says=claims[0].says)


def failed(failures: Mapping[str, Claim], slots: Mapping[str, bool]) -> str:
    """The sentence for a failed check: what the first failed test shows. `failures`: claims by test id."""
    first = next(iter(failures)).partition("[")[0]
    if first.startswith(f"{OWN}/"):
        claim = next(iter(failures.values()))
        return f"{claim.subject}: {claim.says}"
    own = [test for test in failures if test.partition("[")[0] == first]
    where = [test.partition("[")[2].removesuffix("]") for test in own]
    text = _formed(_FAILED[first.rpartition("::")[2]], len(where) == 1)
    return text.format(who=_names(where, slots), says=failures[own[0]].says)


def undecided(claims: Sequence[Claim]) -> str:
    """The sentence for an inconclusive check: its first claim."""
    return f"{claims[0].subject}: {claims[0].says}" if claims else "nothing ran"


def _formed(text: str, is_single: bool) -> str:
    return _FORMS.sub(lambda found: found[1 if is_single else 2], text)


def _crew(slots: Mapping[str, bool]) -> str:
    """ "2 workers and 1 coordinator"."""
    workers = sum(slots.values())
    others = Counter(slot.rpartition("-")[0] for slot, consumes in slots.items() if not consumes)
    parts = [f"{workers} worker{'s' * (workers != 1)}"] if workers else []
    return _joined([*parts, *(f"{count} {service}" for service, count in sorted(others.items()))])


def _names(where: Sequence[str], slots: Mapping[str, bool]) -> str:
    """ "both workers", or the names of the replicas."""
    workers = {slot for slot, consumes in slots.items() if consumes}
    if len(slots) > 1 and set(where) == set(slots) and set(where) != workers:
        return f"all {len(slots)} containers"
    if set(where) == workers:
        return {1: "the worker", 2: "both workers"}.get(len(workers), f"all {len(workers)} workers")
    shown = list(where[:_MOST_NAMES])
    return _joined([*shown, *([f"{len(where) - len(shown)} more"] if len(where) > len(shown) else [])])


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
