"""Figures: what was measured, what it is held against, and how both are told."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

PGBENCH: Final = "pgbench tps"


class Figure(msgspec.Struct, frozen=True):
    """One line: a value in a unit and, where it has one, its ratio to the figure named by `of`."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    of: str | None = None


class Goal(msgspec.Struct, frozen=True):
    """What a figure is held against: its ratio (`x`), or its value where the figure has no ratio or the goal says so."""

    floor: float
    aim: float
    floor_is_value: bool = False
    aim_is_value: bool = False

    def told(self, figure: Figure) -> tuple[str, str, str]:
        """The floor, the aim, and what came of them."""
        floor, aim = (_told(self.floor, self.floor_is_value), _told(self.aim, self.aim_is_value))
        if _of(figure, self.aim_is_value) >= self.aim:
            return floor, aim, "[green]aim[/]"
        if _of(figure, self.floor_is_value) >= self.floor:
            return floor, aim, "[yellow]pass[/]"
        return floor, aim, "[red]short[/]"


GOALS: Final = {
    "batch": Goal(0.5, 1.5),
    "batch-ids": Goal(0.8, 3.0),
    "single": Goal(0.2, 0.4),
    "me": Goal(800, 0.27, floor_is_value=True),
    "redeem": Goal(0.1, 0.2),
    "sweep": Goal(10_000, 20_000, floor_is_value=True, aim_is_value=True),
    "fold": Goal(20_000, 60_000, floor_is_value=True, aim_is_value=True),
    "beside": Goal(0.75, 0.9),
    "rules": Goal(25_000, 60_000, floor_is_value=True, aim_is_value=True),
}


def median(name: str, values: Sequence[float], unit: str, base: Figure | None = None) -> Figure:
    """The figure in the middle of several, and its ratio to another."""
    value = statistics.median(values)
    if base is None:
        return Figure(name, value, unit)
    return Figure(name, value, unit, value / base.value, base.name)


DETAILS: Final = ("p50", "p99", "cpu of api", "cpu of postgres", "cpu of valkey", "cpu of load")
"""What goes with each load, as figures named `<load> <detail>`: latencies in ms, and percents of a core."""


def tell(figures: Sequence[Figure]) -> None:
    """Print the table; what goes with a load stands in its line."""
    table = Table(title="Measured (latencies in ms, cpu in % of a core)", title_justify="left")
    table.add_column("work", no_wrap=True)
    for column in ("value", "unit", "ratio", "floor", "aim", "", *(each.replace("of ", "") for each in DETAILS)):
        table.add_column(column, justify="left" if column == "unit" else "right")
    details = {each.name: each for each in figures}
    beside = {f"{each.name} {detail}" for each in figures for detail in DETAILS}
    for each in figures:
        if each.name in beside:
            continue
        goal = GOALS.get(each.name)
        ratio = "" if each.ratio is None else f"{each.ratio:.3f} x"
        told = [details.get(f"{each.name} {detail}") for detail in DETAILS]
        row = (each.name, _number(each.value), each.unit, ratio, *(goal.told(each) if goal else ("", "", "")))
        table.add_row(*row, *("" if detail is None else _number(detail.value) for detail in told))
    Console(highlight=False, width=170).print(table)
    for base in sorted({each.of for each in figures if each.of}):
        print(f"x {base}: {', '.join(each.name for each in figures if each.of == base)}")


def write(figures: Sequence[Figure], file: Path) -> None:
    """Write the same as JSON."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")


def _of(figure: Figure, is_value: bool) -> float:
    return figure.value if is_value else figure.ratio or 0.0


def _told(goal: float, is_value: bool) -> str:
    return _number(goal) if is_value else f"{goal:g} x"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
