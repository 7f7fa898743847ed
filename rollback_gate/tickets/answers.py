"""Maps a tracker's refusal to an error and a remedy, the same for all trackers."""

from __future__ import annotations

from rollback_gate.errors import RollbackGateError, TrackerBusy, TrackerRefused
from rollback_gate.redaction import cut

BUSY = frozenset({429, 502, 503, 504})
_DID_NOTHING = frozenset({429, 503})  # a gateway may send 502 or 504 for work that was done


def of_status(
    status: int, what: str, rights: str, token: str, says: str = "", retry_after: str = ""
) -> RollbackGateError:
    """`what`: the request; `rights`: what the token needs; `token`: the variable that holds it."""
    heard = f" ({cut(' '.join(says.split()), 200)})" if says else ""
    if status in BUSY:
        busy = TrackerBusy(f"{what}: the tracker is busy, it answered {status}", "try again later")
        busy.retry_after_s = float(retry_after) if retry_after.isdecimal() else 0.0
        return busy
    if status == 401:
        return TrackerRefused(f"{what}: the token is not accepted{heard}", f"put a valid one into {token}")
    if status in (403, 404, 410):
        return TrackerRefused(
            f"{what}: not found, or not allowed: the tracker answered {status}{heard}",
            f"check ticket and project; the token needs {rights}",
        )
    if status == 413:
        return TrackerRefused(f"{what}: the file is too large for this tracker", "raise its limit for attachments")
    if status >= 500:
        return TrackerBusy(f"{what}: the tracker is in trouble, it answered {status}", "try again later")
    return TrackerRefused(f"{what}: the tracker answered {status}{heard}", "check the section [ticket] of the profile")


def of_silence(what: str, address: str, error: Exception) -> TrackerBusy:
    return TrackerBusy(
        f"{what}: {address} does not answer ({type(error).__name__})", "check ticket.address and the network"
    )


def unless_made(trouble: RollbackGateError, is_repeatable: bool, status: int = 0) -> RollbackGateError:
    """A create request without a clear answer: a retry could create it twice. `status`: 0 for none."""
    if is_repeatable or not isinstance(trouble, TrackerBusy) or status in _DID_NOTHING:
        return trouble
    return TrackerRefused(trouble.message, "look whether it is there before you ask again; then ticket.attach")
