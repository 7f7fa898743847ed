from enrichment_service.errors.error_types import get_error_type


def test_timeout_is_recognised():
    assert get_error_type(TimeoutError("timed out")) == "timeout"
