"""`python -m benchmarks`: measure, print one table, and write it as JSON where asked."""

import argparse
import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import beside, drafts, fold, measures, pgbench, sweep
from benchmarks.figures import PGBENCH, Figure, median, tell, write
from benchmarks.measures import RATES, Rate, Shop
from benchmarks.stand import Ran, served, stand

NAMES: Final = (
    *(rate.name for rate in RATES),
    "fold",
    "rules",
    "backtest",
    "beside",
    "sweep",
    "start",
    "memory",
    "bytes",
    "members",
)


MADE_UP: Final = 10_000
"""Members of the smaller crowd that a draft is tried on."""


@dataclass(frozen=True)
class Plan:
    """How much is done: `rounds` of everything, each pgbench and each load of so many seconds."""

    rounds: int
    pgbench_seconds: int
    scale: int
    load_seconds: float
    fold_events: int
    crowds: tuple[int, ...]
    """How many members, smallest first; the loads are on the smallest."""
    history: int
    """Events of each member before anything is measured."""
    tried: int
    """How many made-up members a draft is tried on."""
    due: int
    """Lots that end."""


FULL: Final = Plan(3, 30, pgbench.SCALE, 10.0, 60_000, (10_000, 100_000, 1_000_000), 4, 100_000, 20_000)
QUICK: Final = Plan(1, 5, 2, 3.0, 5_000, (10_000, 30_000), 1, 40, 2_000)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--quick", action="store_true", help="once and shortly: to see that it works")
    parser.add_argument(
        "--members", type=_crowds, metavar="N,…", help="crowds to measure the batch with, each a multiple"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="of each load and each pgbench")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else FULL
    plan = Plan(**{**vars(plan), "crowds": given.members or plan.crowds})
    if given.seconds:
        plan = Plan(**{**vars(plan), "load_seconds": given.seconds, "pgbench_seconds": math.ceil(given.seconds)})
    figures = measure(plan, set(given.only or NAMES))
    tell(figures)
    if given.json:
        write(figures, given.json)


def measure(plan: Plan, names: set[str]) -> list[Figure]:
    """All the figures of these names."""
    found: list[Figure] = []
    if "fold" in names:
        print("fold …", flush=True)
        found.append(median("fold", [fold.rate(plan.fold_events) for _ in range(plan.rounds)], "events/s"))
    if "rules" in names:
        print("rules …", flush=True)
        found += fold.details(plan.fold_events, plan.rounds)
    if "backtest" in names:
        print("backtest …", flush=True)
        if plan.tried > MADE_UP:
            found += [*drafts.year(), *drafts.crowd(MADE_UP)]
        found += drafts.crowd(plan.tried)
    if "sweep" in names:
        print("sweep …", flush=True)
        with stand() as on:
            found += sweep.rates(on, plan.due, plan.rounds)
    if names - {"fold", "rules", "backtest", "sweep"}:
        found += _on_servers(plan, names)
    return found


def _on_servers(plan: Plan, names: set[str]) -> list[Figure]:
    with stand() as on:
        yardstick = pgbench.prepare(on, plan.scale)
        with served(on) as service:
            found = [
                Figure("start of PostgreSQL and Valkey from nothing", on.seconds, "s"),
                Figure("start of the schema", on.schema_seconds, "s"),
                Figure("start of the service", service.seconds, "s"),
            ]
            shop = Shop(service, plan.crowds[0])
            shop.open(plan.crowds[0] * plan.history)
            before = asyncio.run(measures.stored(on))
            base, runs = _rounds(plan, yardstick, shop, [rate for rate in RATES if rate.name in names])
            found = [base, *(each for rate, ran in runs.items() for each in measures.told(rate, ran, base)), *found]
            if "beside" in names:
                found += beside.kept(service, shop, plan.load_seconds, plan.rounds)
            if "memory" in names:
                found += measures.held(service)
            size, events = asyncio.run(measures.stored(on))
            if "bytes" in names and events > before[1]:
                found.append(Figure("bytes stored per event", (size - before[0]) / (events - before[1]), "bytes"))
    if "members" in names:
        found += _crowds_in_turn(plan, base)
    return found


def _rounds(
    plan: Plan, yardstick: pgbench.Pgbench, shop: Shop, rates: Sequence[Rate]
) -> tuple[Figure, dict[Rate, list[Ran]]]:
    """The yardstick and the loads, turn by turn, so that what else the machine does falls on all alike."""
    tps: list[float] = []
    runs: dict[Rate, list[Ran]] = {rate: [] for rate in rates}
    for turn in range(1, plan.rounds + 1):
        print(f"round {turn} of {plan.rounds}: pgbench …", flush=True)
        tps.append(yardstick.tps(plan.pgbench_seconds))
        for rate in rates:
            print(f"round {turn} of {plan.rounds}: {rate.name} …", flush=True)
            runs[rate].append(shop.run(rate, plan.load_seconds))
    return median(PGBENCH, tps, "transactions/s"), runs


def _crowds_in_turn(plan: Plan, base: Figure) -> list[Figure]:
    """The batch on larger and larger crowds, each on servers of its own."""
    batch = RATES[0]
    found = []
    few = plan.crowds[0]
    for members in plan.crowds:
        print(f"batch with {members:,} members …", flush=True)
        with stand() as on:
            with served(on) as service:
                shop = Shop(service, few)
                shop.open(few * 2)
                # The smallest crowd is there already.
                runs = [shop.run(batch, plan.load_seconds) for _ in range(plan.rounds if members == few else 0)]
            if members > few:
                start = measures.grow(on, few, few * 2, members)
                with served(on) as service:
                    shop = Shop(service, members, start)
                    runs = [shop.run(batch, plan.load_seconds) for _ in range(plan.rounds)]
        rates = [run.sent.events / run.sent.seconds for run in runs]
        found.append(median(f"batch with {members:,} members", rates, "events/s", base))
    smallest = found[0]
    return [
        smallest,
        *(Figure(each.name, each.value, each.unit, each.value / smallest.value, smallest.name) for each in found[1:]),
    ]


def _crowds(text: str) -> tuple[int, ...]:
    """Numbers of members, each a multiple of the first."""
    found = tuple(sorted({int(each) for each in text.split(",")}))
    if found[0] < 1 or any(each % found[0] for each in found):
        raise argparse.ArgumentTypeError("each number is a multiple of the smallest")
    return found


if __name__ == "__main__":
    main()
