"""The report of a backtest in a terminal."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from achievements.tallies import Found, Report, Spot

CURVE_ROWS: Final = 20
BAR_WIDTH: Final = 30
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_HEIGHTS: Final = "▁▂▃▄▅▆▇█"
_DAYS_WIDTH: Final = 46
_OVERLAP_ROWS: Final = 8
_COMPLETED_BY_NOBODY: Final = ("currencies", "event_types", "attributes", "segments", "boosts", "leaderboards")


def show(report: Report, console: Console, targets: tuple[int, int] | None) -> None:
    """Print a report; of the curve, the targets from one to another, or those around the drafted."""
    console.print(
        f"From {_minute(report.since.isoformat())} to {_minute(report.until.isoformat())} UTC: {report.members:,} members,"
        f" {report.events:,} events" + (f", {report.refused:,} refused" if report.refused else "") + "."
    )
    for found in report.definitions:
        console.print()
        for part in _parts(found, report.members, targets):
            console.print(part)
    for part in _together(report):
        console.print()
        console.print(part)


def _parts(found: Found, members: int, targets: tuple[int, int] | None) -> list[RenderableType]:
    title = Text(f"{found.name} ({found.section}/{found.key})", style="bold")
    if found.section in _COMPLETED_BY_NOBODY:
        return [title, Text("Nobody completes it by itself; what it changes of the others is told below.")]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_row("completions", f"{found.completions:,}")
    table.add_row("winners", f"{found.winners:,}", _share(found.winners, members))
    if found.near_misses is not None:
        table.add_row("one step short", f"{found.near_misses:,}", _share(found.near_misses, members))
    for currency, points in found.points.items():
        table.add_row(f"{currency} given", f"{points:,}")
    for reward, count in found.rewards.items():
        table.add_row(f"{reward} given", f"{count:,}")
    for group, count in found.by_group.items():
        table.add_row(f"  by {group}", f"{count:,}", _share(count, found.completions))
    for other, count in list(found.overlap.items())[:_OVERLAP_ROWS]:
        table.add_row(f"  winners who also won {other}", f"{count:,}", _share(count, found.winners))
    parts: list[RenderableType] = [title, table]
    if found.by_day:
        first, last = min(found.by_day), max(found.by_day)
        parts.append(Text.assemble("  by day  ", (_days(found.by_day), "cyan"), f"  {first} to {last}"))
    if found.curve:
        parts.append(_curve(found.curve, found.target or 0, members, targets))
    elif found.no_curve and found.section == "challenges":
        parts.append(Text(f"  No curve: {found.no_curve}.", style="dim"))
    return parts


def _curve(curve: Sequence[Spot], target: int, members: int, targets: tuple[int, int] | None) -> Table:
    """Target against completions, a bar for each."""
    if targets is None:
        reached = [spot for spot in curve if spot.completions or spot.target == target]
        place = next(number for number, spot in enumerate(reached) if spot.target == target)
        start = max(0, min(place - CURVE_ROWS // 2, len(reached) - CURVE_ROWS))
        shown: Sequence[Spot] = reached[start : start + CURVE_ROWS]
    else:
        shown = [spot for spot in curve if targets[0] <= spot.target <= targets[1]]
    most = max((spot.completions for spot in shown), default=0)
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for name in ("target", "completions", ""):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    table.columns[-1].min_width = BAR_WIDTH
    table.add_column("winners", justify="right")
    currencies = sorted({currency for spot in shown for currency in spot.points})
    for currency in currencies:
        table.add_column(currency, justify="right")
    for spot in shown:
        points = (f"{spot.points.get(currency, 0):,}" for currency in currencies)
        style = "bold green" if spot.target == target else ""
        drafted = f"{'→ ' if spot.target == target else ''}{spot.target:,}"
        bar = _bar(spot.completions, most)
        winners = f"{spot.winners:,} {_share(spot.winners, members)}"
        table.add_row(drafted, f"{spot.completions:,}", bar, winners, *points, style=style)
    return table


def _together(report: Report) -> list[RenderableType]:
    """What the drafted definitions come to together."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for currency, points in report.points.items():
        table.add_row(f"{currency} given by the draft", f"{points:,}")
    for currency, points in report.elsewhere.items():
        table.add_row(f"{currency} given by others because of it", f"{points:+,}")
    for currency, cost in report.cost.items():
        table.add_row(f"cost of {currency}", f"{cost:,.2f}")
    for each in report.budgets:
        reached = f"used up on {each.reached_on}" if each.reached_on else "not used up"
        table.add_row(f"budget of {each.points:,} {each.currency}", reached, f"{_share(each.given, each.points)} given")
    parts: list[RenderableType] = [table] if table.row_count else []
    if report.tiers:
        tiers = Table(box=None, padding=(0, 1), header_style="bold")
        for name in ("members at the end", "without", "with the draft", ""):
            tiers.add_column(name, justify="left" if name == "members at the end" else "right")
        for tier in report.tiers:
            change = f"{tier.members - tier.without:+,}" if tier.members != tier.without else ""
            tiers.add_row(f"{tier.ladder}: {tier.tier}", f"{tier.without:,}", f"{tier.members:,}", change)
        parts.append(tiers)
    return parts


def _bar(count: int, most: int) -> str:
    eighths = round(8 * BAR_WIDTH * count / most) if most else 0
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _days(days: Mapping[date, int]) -> str:
    """A little picture of numbers by day: a column for each day, or for some days together."""
    first, last = min(days).toordinal(), max(days).toordinal()
    each = -(-(last - first + 1) // _DAYS_WIDTH)
    columns = [0] * (-(-(last - first + 1) // each))
    for day, count in days.items():
        columns[(day.toordinal() - first) // each] += count
    most = max(columns)
    return "".join(_HEIGHTS[(count * 8 - 1) // most] if count else " " for count in columns)


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.0f} %" if of else ""


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")
