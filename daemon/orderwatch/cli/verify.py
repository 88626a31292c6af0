"""`verify`: whether everything that was stored still is what it was."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, demand_current, print_json
from orderwatch.cli.output.progress import shown
from orderwatch.cli.output.tables import console, counted, plain
from orderwatch.cli.run import begin
from orderwatch.config import Settings
from orderwatch.core.deliveries.audit import Finding, Flaw
from orderwatch.core.formatting import escape_name, format_bytes
from orderwatch.core.serializers import Shape, finding_to_dict
from orderwatch.ops.log import Redactor

if TYPE_CHECKING:
    from orderwatch.app.commands.progress import Progress
    from orderwatch.app.commands.repair import Repair
    from orderwatch.app.commands.verify import VerifyReport


@click.command()
@click.option("--repair", is_flag=True, help="Set wrong files aside and fetch again; write sidecars again.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def verify(context: Context, *, repair: bool, as_json: bool) -> None:
    """Read every stored file again: what is missing, changed, unreadable, or an orphan that no row knows.

    Works beside a running daemon, and changes nothing without --repair.
    """
    repairs: Sequence[Repair] = ()
    if repair:
        settings, redactor = begin(context)
        audit = _read(settings, plain=as_json)
        repairs = _repair(settings, redactor, audit, plain=as_json)
    else:
        settings = context.settings(resolve=False)
        audit = _read(settings, plain=as_json)
    told = _told(audit, repairs, settings)
    if as_json:
        print_json(_facts(audit, repairs))
    else:
        _print(audit, [line for line, mended in told if mended])
    left = [line for line, mended in told if not mended]
    complain(left)
    if left:
        sys.exit(FAILED)


def _read(settings: Settings, *, plain: bool) -> "VerifyReport":
    from orderwatch.app.commands.verify import verify as read_all  # noqa: PLC0415 - `--help` stays quick

    demand_current(settings.database.path)
    with shown(plain=plain) as progress:
        return asyncio.run(read_all(settings, progress))


def _repair(
    settings: Settings, redactor: Redactor, audit: "VerifyReport", *, plain: bool
) -> "Sequence[Repair]":
    from orderwatch.app.commands.repair import begin_repair, finish_repair  # noqa: PLC0415 - as above
    from orderwatch.app.factories import set_up_log  # noqa: PLC0415 - `--help` stays quick

    async def repaired(progress: "Progress") -> "Sequence[Repair]":
        repairs = await begin_repair(settings, audit, datetime.now(UTC))
        await finish_repair(settings, redactor, repairs, progress)
        return repairs

    if not audit.findings:
        return ()
    with shown("fetching", "fetched", plain=plain) as progress:
        set_up_log(settings, redactor)  # again, so that its lines stand above the bar
        return asyncio.run(repaired(progress))


def _told(audit: "VerifyReport", repairs: "Sequence[Repair]", settings: Settings) -> list[tuple[str, bool]]:
    """Each finding in a line, and whether it is mended."""
    if repairs:
        return [(f"{_line(r.finding, settings)}: {r.told}", r.mended) for r in repairs]
    return [(_line(finding, settings), False) for finding in audit.findings]


def _line(finding: Finding, settings: Settings) -> str:
    root = settings.delivery.root if finding.root is None else Path(finding.root)
    return f"{finding.kind}: {escape_name(str(root / finding.path))}: {finding.detail}"


def _print(audit: "VerifyReport", mended: Sequence[str]) -> None:
    """What is wrong still is an error, and said as such."""
    screen = console()
    for line in mended:
        screen.print(plain(line, "green"), soft_wrap=True)
    found = counted("finding", "findings", Flaw, [finding.kind for finding in audit.findings])
    result = f"{found}; {len(mended)} mended" if mended else found
    files = "1 file" if audit.checked == 1 else f"{audit.checked} files"
    screen.print(f"read {files}, {format_bytes(audit.size)}: {result if audit.findings else 'all as stored'}")


def _facts(audit: "VerifyReport", repairs: "Sequence[Repair]") -> Shape:
    """`repair` is null where none was asked for."""
    done: list[Shape | None] = [{"mended": r.mended, "detail": r.told} for r in repairs]
    findings = [
        {**finding_to_dict(finding), "repair": repair}
        for finding, repair in zip(audit.findings, done or [None] * len(audit.findings), strict=True)
    ]
    return {"checked": audit.checked, "bytes": audit.size, "findings": findings}
