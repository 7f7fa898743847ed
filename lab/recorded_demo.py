"""`invoke demo --recorded`: the real rules, verdict and page, on readings from an earlier real run.

For machines where no Docker Engine can be started. It is no verdict on a running system, and every page says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.recorded import FOLDER, Recorded, claims_of
from rollback_gate.checks.manifest import Scope
from rollback_gate.checks.verdict import judge
from rollback_gate.instant import Instant
from rollback_gate.model import Verdict
from rollback_gate.record import build, html, write
from rollback_gate.record.build import Heading
from rollback_gate.record.context import context
from rollback_gate.record.next_steps import RECORDED
from rollback_gate.redaction import Redactor
from rollback_gate.workflow.verify import evidence_of

STORY = (
    ("not-restarted-bind", "the files were restored, and nobody restarted the workers"),
    ("quick-bind", "rolled back by `rollback`: files restored, replicas restarted"),
)


def play(folder: Path, now: Instant, tell: Callable[[str], None]) -> Verdict:
    """Judge each reading of the story and write its page below `folder`. Returns the last verdict. Raises OSError."""
    verdict = Verdict.INCONCLUSIVE
    for name, says in STORY:
        tell(f"RECORDED: {says}")
        recorded = Recorded.read(FOLDER / f"{name}.json.gz")
        ran = claims_of(recorded)
        judgement = judge(recorded.slots, ran, Scope.of(recorded.profile))
        for finding in judgement.findings:
            title = recorded.profile.titles.model_dump()[finding.check]
            tell(f"  {finding.outcome}: {title}: {finding.reason} ({finding.tally})")
            for line in evidence_of(finding):
                tell(f"  {line}")
        tell(f"  RECORDED {judgement.verdict}: {judgement.reason}")
        explained = context(recorded.readings, recorded.profile, None)
        made = build.judged(_heading(recorded, now), judgement, recorded.slots, ran, recorded.readings, now, explained)
        made |= {"headline": f"RECORDED: {judgement.verdict}", "notes": ["nothing that runs was looked at"]}
        own = folder / name
        own.mkdir(parents=True, exist_ok=True)
        write.write_page(own, made, Redactor([]), None)
        tell(f"  page: {own / write.HTML_NAME}")
        verdict = judgement.verdict
    return verdict


def _heading(recorded: Recorded, now: Instant) -> Heading:
    profile = recorded.profile
    return Heading(
        kind=RECORDED,  # the gate accepts only verify's records
        record_id=f"recorded-{recorded.name}",
        began=now,
        operator="nobody: readings of an earlier run",
        deployment={"id": f"recorded/{profile.deployment.project}/{profile.name}", "engine": "", "directory": ""},
        settings=(),
        run=None,
        titles=profile.titles.model_dump(),
        scope=Scope.of(profile),
        change=profile.title,
        tool=html.tool(),
        began_local=now.short,
    )
