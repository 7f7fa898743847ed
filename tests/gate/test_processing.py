"""Check 3 of the runbook: Processing Works."""

from rollback_gate.suite.subjects import Documents, Queue


def test_document_comes_out_of_every_replica(documents: Documents) -> None:
    """Every replica has finished a document since its start, in time, and it was saved."""
    assert documents.come_out_of_every_replica


def test_documents_are_saved_with_metrics(documents: Documents) -> None:
    """What was saved has its quality metrics."""
    assert documents.have_metrics


def test_no_document_hangs(documents: Documents) -> None:
    """No document is in work for longer than the limit, beyond what the old code is known for."""
    assert documents.do_not_hang


def test_nobody_else_consumes_the_queue(queue: Queue) -> None:
    """Every consumer of the channel is a replica of this deployment."""
    assert queue.has_no_other_consumer


def test_traces_of_test_documents_are_named(queue: Queue) -> None:
    """What the gate's own documents cost and left stands in the record."""
    assert queue.leaves_no_unnamed_trace
