"""Check 3 of the runbook: Processing Works."""

from rollback_gate.suite.subjects import Documents, Queue, Services


def test_document_comes_out_of_every_replica(documents: Documents) -> None:
    """Every replica has finished a document since its start, within the limit, and it was saved."""
    assert documents.come_out_of_every_replica


def test_documents_are_saved_with_metrics(documents: Documents) -> None:
    """The saved documents have their quality metrics."""
    assert documents.have_metrics


def test_no_document_hangs(documents: Documents) -> None:
    """No document is in work longer than the limit, except for the old code's known fault."""
    assert documents.do_not_hang


def test_nobody_else_consumes_the_queue(queue: Queue) -> None:
    """Every consumer of the channel is a replica of this deployment."""
    assert queue.has_no_other_consumer


def test_traces_of_test_documents_are_named(queue: Queue) -> None:
    """The record shows what the gate's own documents cost and left behind."""
    assert queue.leaves_no_unnamed_trace


def test_services_answer(services: Services) -> None:
    """The services are ready by their own condition, and a request to them is answered as it should be."""
    assert services.answer_as_they_should
