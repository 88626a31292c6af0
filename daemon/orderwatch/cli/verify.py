"""`verify`: checks that every stored file is unchanged."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, demand_current, print_json
from orderwatch.cli.output.progress import shown
from orderwatch.cli.output.tables import console, counted, plain
from orderwatch.cli.run import begin
from orderwatch.core.deliveries.audit import Finding, Flaw
from orderwatch.core.formatting import escape_name, format_bytes
from orderwatch.core.json_types import JsonObject
from orderwatch.core.report_serializers import finding_to_dict
from orderwatch.ops.log import Redactor

if TYPE_CHECKING:
    from orderwatch.app.commands.progress import Progress
    from orderwatch.app.commands.repair import Repair
    from orderwatch.app.commands.verify import VerifyReport
    from orderwatch.app.plan import Plan


@click.command()
@click.option(
    "--repair", is_flag=True, help="Quarantine wrong files and download them again; rewrite sidecars."
)
@click.option(
    "--whole", is_flag=True, help="Also read objects in S3; otherwise their stored checksums are compared."
)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def verify(context: Context, *, repair: bool, whole: bool, as_json: bool) -> None:
    """Re-read every stored file and report what is wrong.

    Reports missing, changed, unreadable and orphaned files. Works beside a running daemon.
    Changes nothing without --repair.
    """
    from orderwatch.app.plan import resolve

    repairs: Sequence[Repair] = ()
    if repair:
        settings, redactor = begin(context)
        plan = resolve(settings)
        audit = _read(plan, is_whole=whole, plain=as_json)
        repairs = _repair(plan, redactor, audit, plain=as_json)
    else:
        plan = context.plan(resolve=False)
        audit = _read(plan, is_whole=whole, plain=as_json)
    lines = _lines(audit, repairs, plan)
    if as_json:
        print_json(_facts(audit, repairs))
    else:
        verb = "read" if whole or not plan.has_buckets else "looked at"
        _print(audit, verb, [line for line, mended in lines if mended])
    left = [line for line, mended in lines if not mended]
    complain(left)
    if left:
        sys.exit(FAILED)


def _read(plan: "Plan", *, is_whole: bool, plain: bool) -> "VerifyReport":
    from orderwatch.app.commands.verify import verify as read_all

    demand_current(plan.database.location)
    with shown(plain=plain) as progress:
        return asyncio.run(read_all(plan, progress, is_whole=is_whole))


def _repair(plan: "Plan", redactor: Redactor, audit: "VerifyReport", *, plain: bool) -> "Sequence[Repair]":
    from orderwatch.app.commands.repair import begin_repair, finish_repair
    from orderwatch.app.factories import set_up_log

    async def repaired(progress: "Progress") -> "Sequence[Repair]":
        repairs = await begin_repair(plan, audit, datetime.now(UTC))
        await finish_repair(plan, redactor, repairs, progress)
        return repairs

    if not audit.findings:
        return ()
    with shown("fetching", "fetched", plain=plain) as progress:
        set_up_log(plan.settings, redactor)  # again, so that log lines appear above the bar
        return asyncio.run(repaired(progress))


def _lines(audit: "VerifyReport", repairs: "Sequence[Repair]", plan: "Plan") -> list[tuple[str, bool]]:
    """Return each finding as a line, and whether it is mended."""
    if repairs:
        return [(f"{_line(r.finding, plan)}: {r.detail}", r.mended) for r in repairs]
    return [(_line(finding, plan), False) for finding in audit.findings]


def _line(finding: Finding, plan: "Plan") -> str:
    place = f"{plan.roots[None] if finding.root is None else finding.root}/{finding.path}".removesuffix("/.")
    return f"{finding.kind}: {escape_name(place)}: {finding.detail}"


def _print(audit: "VerifyReport", verb: str, mended: Sequence[str]) -> None:
    """Print what was repaired and the totals; unrepaired findings go to stderr."""
    screen = console()
    for line in mended:
        screen.print(plain(line, "green"), soft_wrap=True)
    found = counted("finding", "findings", Flaw, Counter(finding.kind for finding in audit.findings))
    result = f"{found}; {len(mended)} mended" if mended else found
    files = "1 file" if audit.checked == 1 else f"{audit.checked} files"
    size = format_bytes(audit.size) if verb == "read" else f"read {format_bytes(audit.size)}"
    screen.print(f"{verb} {files}, {size}: {result if audit.findings else 'all as stored'}")


def _facts(audit: "VerifyReport", repairs: "Sequence[Repair]") -> JsonObject:
    """Return the JSON document; `repair` is null without --repair."""
    done: list[JsonObject | None] = [{"mended": r.mended, "detail": r.detail} for r in repairs]
    findings = [
        {**finding_to_dict(finding), "repair": repair}
        for finding, repair in zip(audit.findings, done or [None] * len(audit.findings), strict=True)
    ]
    return {"checked": audit.checked, "bytes": audit.size, "findings": findings}
