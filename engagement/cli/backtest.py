"""`engagement backtest`: what a draft would have done, on a file of events."""

import re
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from achievements.backtests import Backtest
from achievements.definitions import Mistaken, Program, parse
from achievements.rulebook import ready
from achievements.states import BEGINNING
from achievements.tallies import Report, Tally
from engagement.cli import partitions, pictures
from engagement.cli.apply import instant
from engagement.cli.documents import read_program
from engagement.cli.stopping import Stop
from engagement.cli.trying import Counted, Folding
from engagement.cores import Cores, available

_console = Console(stderr=True, highlight=False)
_RANGE: Final = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


DraftOption: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--draft",
        metavar="DRAFT.yaml",
        help="One or several definitions, in sections as in a program; a key that the program has is a new version.",
    ),
]
TargetsOption: TypeAlias = Annotated[
    str | None, typer.Option("--targets", metavar="A..B", help="Show these targets of the curve, as in 3..8.")
]
ValueOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--value", metavar="[CURRENCY=]MONEY", help="What a point costs you: 0.01, or points=0.01."),
]
BudgetOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="[CURRENCY=]POINTS", help="Say on which day so many points were given."),
]


def backtest(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM.yaml", help="The program as it was.")],
    events: Annotated[Path, typer.Argument(metavar="EVENTS.ndjson[.gz]", help="What members did, in any order.")],
    draft: DraftOption,
    since: Annotated[str, typer.Option("--from", metavar="T", help="When the draft would have been published.")],
    until: Annotated[str, typer.Option("--to", metavar="T", help="Up to, but not including, this instant.")],
    targets: TargetsOption = None,
    value: ValueOption = None,
    budget: BudgetOption = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the whole report there.")] = None,
) -> None:
    """Try a draft on real history: who would have won it, who nearly, when, and what it would have cost.

    Every member's events are folded with the draft in force from --from on, as if it had been published then; events before
    that count for the program alone. For a challenge with one objective the whole curve comes with it: for every target,
    how many completions. No service is needed and nothing is stored. All cores are used; Ctrl-C leaves nothing behind.

    EVENTS has one JSON object a line, with the strings event_id, member_id, type (one of the program's) and occurred_at (RFC 3339 with its
    offset); received_at may stand beside them, and every other key is a property: {"event_id": "p1", "member_id": "ann", "type": "purchase",
    "occurred_at": "2026-03-02T10:15:00+01:00", "amount": "12.50"}. More in docs/backtests.md.

    Example: engagement backtest grocer.yaml events.ndjson.gz --draft five-days.yaml --from 2017-01-01T05:00:00Z
    --to 2018-01-01T05:00:00Z --targets 3..8 --value 0.01 --budget 250000
    """
    document, drafted = read_program(program), read_program(draft)
    span = instant(since, "--from"), instant(until, "--to")
    shown = None if targets is None else _range(targets)
    trial = _ready(program, document, draft, drafted, span)
    currencies = [each.key for each in _parsed(program, document).sections["currencies"]]
    values = {name: _money(text) for name, text in _by_currency("--value", value, currencies).items()}
    budgets = {name: _points(text) for name, text in _by_currency("--budget", budget, currencies).items()}
    begun = time.monotonic()
    tally, reading, folding, memory = _counted(document, drafted, span, events)
    report = trial.report(tally, values=values, budgets=budgets)
    if json is not None:
        _write(json, report)
    pictures.show(report, Console(highlight=False), shown)
    for each in drafted.get("challenges") or ():
        if each.get("limit"):
            _console.print(
                f"challenges/{each['key']}: everybody who met the targets is counted, not the first {each['limit']} alone: members are"
                " tried one by one, so nobody knows who was first."
            )
    share = 100 * reading / max(reading + folding, 0.001)
    _console.print(
        f"{time.monotonic() - begun:.1f} s on {available()} cores; of {reading + folding:.1f} CPU seconds {share:.0f} % went on"
        f" reading the file; a process held at most {memory / 1024:.0f} MiB."
    )
    for refusal in tally.refusals:
        _console.print(f"refused {refusal}", markup=False, soft_wrap=True)


def _counted(
    document: dict[str, Any], drafted: dict[str, Any], span: tuple[datetime, datetime], events: Path
) -> Counted:
    """The tally of all members, with what it took: the file is read here once, too."""
    size = partitions.bytes_of(events)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    tally, reading, folding, memory = Tally(), time.process_time(), 0.0, 0
    with (
        Cores[Path, Counted](Folding, (document, drafted, *span)) as cores,
        tempfile.TemporaryDirectory(prefix="engagement-backtest-") as folder,
        Progress(*columns, TimeElapsedColumn(), console=_console, transient=True) as bar,
    ):
        read = bar.add_task("Reading", total=size)
        parts = partitions.cut(events, Path(folder), 2 * available(), lambda done, _: bar.update(read, completed=done))
        bar.update(read, completed=size)
        reading = time.process_time() - reading
        folded = bar.add_task("Folding", total=len(parts))
        for counted in cores.answers(parts):
            tally.add(counted.tally)
            reading, folding = reading + counted.reading, folding + counted.folding
            memory = max(memory, counted.memory)
            bar.advance(folded)
    return Counted(tally, reading, folding, memory)


def _ready(
    program: Path, document: dict[str, Any], draft: Path, drafted: dict[str, Any], span: tuple[datetime, datetime]
) -> Backtest:
    """The backtest; Stop with every mistake in either file."""
    parsed = _parsed(program, document)
    try:
        return Backtest([(BEGINNING, parsed)], drafted, *span)
    except Mistaken as error:
        raise Stop("\n".join(f"{draft}: {each.path}: {each.message}" for each in error.mistakes)) from error


def _parsed(file: Path, document: dict[str, Any]) -> Program:
    try:
        parsed = parse(document)
        ready(parsed)
    except Mistaken as error:
        raise Stop("\n".join(f"{file}: {each.path}: {each.message}" for each in error.mistakes)) from error
    return parsed


def _range(written: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(written)
    if found is None or int(found[1]) > int(found[2]):
        raise Stop("--targets: write two whole numbers, the lower first, as in 3..8")
    return int(found[1]), int(found[2])


def _by_currency(option: str, written: list[str] | None, currencies: list[str]) -> Mapping[str, str]:
    """What an option says of each currency; where it names none, of the only one."""
    found: dict[str, str] = {}
    for each in written or ():
        name, sign, text = each.rpartition("=")
        if not sign and len(currencies) != 1:
            raise Stop(f"{option}: say of which currency, as in `{(currencies or ['points'])[0]}={text}`")
        name = name if sign else currencies[0]
        if name not in currencies:
            raise Stop(f"{option}: no currency `{name}`; the program defines: {', '.join(currencies) or 'none'}")
        found[name] = text
    return found


def _money(text: str) -> Decimal:
    try:
        money = Decimal(text)
    except InvalidOperation as error:
        raise Stop(f"--value: expected money like 0.01, got `{text}`") from error
    if not money.is_finite() or not 0 <= money <= 1_000_000:
        raise Stop("--value: the worth of a point lies between 0 and 1,000,000")
    return money


def _points(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 10**15:
        raise Stop(f"--budget: expected a whole number of points above 0, got `{text[:40]}`")
    return int(text)


def _write(file: Path, report: Report) -> None:
    try:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    except OSError as error:
        raise Stop(f"{file} cannot be written: {error.strerror}.") from error
