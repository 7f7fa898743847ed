"""The pictures of three records in docs/, made from real runs; a digest of the drawing code shows if they are stale."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.browser import shown, started
from lab.images import LabError
from lab.operator import ROOT, Operator

DOCS = ROOT / "docs"
KEPT = DOCS / "pictures.json"
NAMES = ("record-go", "record-no-go", "record-failed")
_DRAWING = ("view.py", "html.py", "picture.py", "next_steps.py", "suite_page.py", "templates")
_WIDTH, _HIGHEST = 1100, 1250


def drawn_by() -> str:
    """Digest of all files that draw a page."""
    places = [ROOT / "rollback_gate/record" / name for name in _DRAWING]
    files = [one for place in places for one in (sorted(place.iterdir()) if place.is_dir() else [place])]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def digest_of(name: str) -> str:
    return hashlib.sha256((DOCS / f"{name}.png").read_bytes()).hexdigest()


def make(operator: Operator) -> None:
    """Make the pictures on a lab that runs Phase 1. Raises LabError if a run does not end as its picture needs."""
    pages = _pages(operator)
    with started() as browser:
        for name, page in pages.items():
            with shown(browser, page, width=_WIDTH, color_scheme="light") as seen:
                height = min(int(seen.page.evaluate("() => document.documentElement.scrollHeight")), _HIGHEST)
                size = {"x": 0, "y": 0, "width": _WIDTH, "height": height}
                seen.page.screenshot(path=DOCS / f"{name}.png", clip=size, full_page=True)  # type: ignore[arg-type]
    kept = {"drawn_by": drawn_by(), "pictures": {name: digest_of(name) for name in NAMES}}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _pages(operator: Operator) -> Mapping[str, Path]:
    """Pages of three runs: rolled back; files restored without a restart; old code that cannot start."""
    lab, found = operator.lab, {}
    lab.load(12)
    _ended(operator, 0, "rollback", "--reason", "documents fail with timeouts", "verify")
    found["record-go"] = _newest(operator)
    lab.deploy("phase1")
    lab.put_files("before")
    shutil.rmtree(lab.directory / "enrichment_service/errors")
    shutil.rmtree(lab.directory / "enrichment_service/config/__pycache__", ignore_errors=True)
    (lab.directory / "enrichment_service/config/timeouts.py").unlink()
    _ended(operator, 10, "verify")
    found["record-no-go"] = _newest(operator)
    lab.deploy("phase1")
    config = lab.directory / "enrichment_service/config.py"
    config.write_text(config.read_text() + "\nraise ImportError('a setting of the old code is missing')\n")
    _ended(operator, 30, "rollback", "--reason", "documents fail again", "--set", "limits.start_s=8")
    found["record-failed"] = _newest(operator)
    return found


def _ended(operator: Operator, status: int, *arguments: str) -> None:
    ended = operator.invoke(*arguments, ROLLBACK_GATE_LAUNCHER="rollback-gate", ROLLBACK_GATE__LIMITS__BEFORE_S="30")
    if ended.status != status:
        raise LabError(f"{' '.join(arguments)} ended with {ended.status}, not {status}: {ended.output}")


def _newest(operator: Operator) -> Path:
    page: Path = operator.newest_record()["folder"] / "report.html"
    return page
