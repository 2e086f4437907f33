"""The books by period: what rolls forward from one to the next, and closing periods for good.

Periods are those of the program's calendar; months are closed, one after the other. What is booked for a closed one later counts from
the first instant of the first that is open. So what all periods come to is at every time what members have.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from uuid import UUID

import msgspec

from achievements import periods
from achievements.accounting import Figures, PeriodFigures, rolled_forward
from achievements.periods import Calendar
from engagement.actions.programs import COUNT_ANEW, Loaded, Programs
from engagement.errors import InvalidInput, NotFound, PeriodRefused, Unclosable
from engagement.records import accounting, closings
from engagement.records.accounting import ClosedPeriod, Counted
from engagement.records.unit import Database, Unit

PERIODS_MAX = 400
"""Periods of one answer: a year of days, and some."""
PERIODS_SHOWN = 12
"""Where it is not said from when on."""
CLOSE_SECONDS = 60.0

CLOSED_BY = Calendar.MONTH
"""What is closed."""


class RolledForward(msgspec.Struct, frozen=True):
    """A period between its instants (UTC; `ends_at` is the first after it), and when it was closed; None while it is open."""

    starts_at: datetime
    ends_at: datetime
    counted: PeriodFigures
    closed_at: datetime | None


class Closed(msgspec.Struct, frozen=True):
    """What closing came to, by currency."""

    periods: tuple[ClosedPeriod, ...]
    replayed: bool = False


class ClosePeriod(msgspec.Struct, frozen=True):
    """Which month, like `2017-03`, and of which currency; None for all of them."""

    currency: str | None
    period: str


async def check_currency(unit: Unit, loaded: Loaded, currency: str) -> None:
    """Raise `NotFound` for a currency that the program does not have, and in which no points have moved."""
    if currency not in loaded.rulebook.latest.currencies and currency not in await accounting.beginnings(unit):
        raise NotFound("The program has no such currency.", "currency")


async def roll_forward(
    unit: Unit, loaded: Loaded, currency: str, calendar: Calendar, first: str | None, last: str | None
) -> list[RolledForward]:
    """The periods of a calendar from one to another (as `periods.name` writes them), in a currency, as of the program's present.

    By itself it ends with the present period and begins eleven before its end. Raises `NotFound` for no currency of the program,
    `InvalidInput` for what is no period of the calendar, or for too many of them.
    """
    await check_currency(unit, loaded, currency)
    zone = loaded.rulebook.latest.zone
    end = periods.period_at(calendar, loaded.now, zone) if last is None else _index(calendar, last, "to")
    begin = end - PERIODS_SHOWN + 1 if first is None else _index(calendar, first, "from")
    if not begin <= end < begin + PERIODS_MAX:
        raise InvalidInput(f"From the first to the last there are 1 to {PERIODS_MAX} periods.", "to")
    wanted = range(begin, end + 1)
    bounds = _bounds(loaded, calendar, wanted)
    counted = await accounting.counted(unit, bounds, currency=currency, ended_by=loaded.now)
    closed = await accounting.closed(unit, currency) if calendar is CLOSED_BY else []
    return _periods(calendar, wanted, bounds, counted.get(currency, {}), closed)


async def whole(unit: Unit, loaded: Loaded) -> dict[str, list[RolledForward]]:
    """All months of every currency in which points have moved, from the first in which they did to the present one."""
    zone, begun = loaded.rulebook.latest.zone, await accounting.beginnings(unit)
    if not begun:
        return {}
    months = {currency: periods.period_at(CLOSED_BY, at, zone) for currency, at in begun.items()}
    last = max(periods.period_at(CLOSED_BY, loaded.now, zone), *months.values())
    bounds = _bounds(loaded, CLOSED_BY, range(min(months.values()), last + 1))
    counted = await accounting.counted(unit, bounds, ended_by=loaded.now)
    closed = await accounting.closed(unit)
    found = {}
    for currency, first in sorted(months.items()):
        skipped = first - min(months.values())
        sums = {stretch - skipped: each for stretch, each in counted[currency].items()}
        own = [each for each in closed if each.currency == currency]
        found[currency] = _periods(CLOSED_BY, range(first, last + 1), bounds[skipped:], sums, own)
    return found


async def close(
    database: Database, cache: Programs, program_id: int, command: ClosePeriod, *, principal: str, key: str | None
) -> Closed:
    """Close a month, of one currency or of all in which it is open; its figures never change afterwards.

    Raises `InvalidInput` for no month, `NotFound` for no currency, `PeriodRefused` where it is closed, not the next, not over, or
    something is left to be done about what happened before its end; and what `Database.perform` raises.
    """
    index = _index(CLOSED_BY, command.period, "period")

    async def work(unit: Unit) -> Closed:
        await unit.take_time(CLOSE_SECONDS)
        loaded = await cache.load(unit)
        ends_at = periods.start(CLOSED_BY, index + 1, loaded.rulebook.latest.zone)
        if ends_at > loaded.now:
            raise PeriodRefused(Unclosable.NOT_OVER, f"{command.period} is not over.", "period")
        before = await _to_close(unit, loaded, command, index)
        if not await closings.is_settled(unit, ends_at, COUNT_ANEW):
            told = "Something that happened before its end is still to be worked on; the worker does, ask again in a while."
            raise PeriodRefused(Unclosable.NOT_SETTLED, told, "period")
        through = await accounting.mark(unit)
        done = [
            await _figured(unit, loaded, (currency, command.period, ends_at), last, through)
            for currency, last in before.items()
        ]
        if not await accounting.close(unit, done):
            raise _already(command.period)
        return Closed(tuple(done))

    done, replayed = await database.perform(
        work,
        program_id,
        principal=principal,
        operation="closePeriod",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Closed).decode,
        deadline_seconds=CLOSE_SECONDS,
    )
    return Closed(done.periods, replayed)


async def falsified(unit: Unit, loaded: Loaded) -> list[tuple[str, str, str]]:
    """What closed periods say otherwise than the transfers that count in them, and the calendar: what, as it is stored, and as it should be."""
    closed = await accounting.closed(unit)
    found = [_misnamed(each, name) for each in closed if (name := _named_by_end(loaded, each)) is not None]
    for currency in dict.fromkeys(each.currency for each in closed):
        own = [each for each in closed if each.currency == currency]
        bounds = [each.ends_at for each in own]
        counted = await accounting.counted(unit, bounds, currency=currency, through=own[-1].through, sealed=True)
        opening = 0
        for stretch, each in enumerate(own):
            true = counted.get(currency, {}).get(stretch, Counted(Figures()))
            expected = (opening, true.figures, opening + true.figures.change, true.seal)
            stored = (each.opening, each.figures, each.closing, each.seal)
            if stored != expected:
                found.append((f"closed period {each.period} of {currency}", _written(stored), _written(expected)))
            opening += true.figures.change
    return found


def _named_by_end(loaded: Loaded, closed: ClosedPeriod) -> str | None:
    """Which period ends where a closed one does, in the zone of when it was closed; None where it is that one."""
    expected = None
    for zone in (loaded.rulebook.latest.zone, loaded.rules_at(closed.closed_at).zone):
        index = periods.period_at(CLOSED_BY, closed.ends_at, zone)
        begins, name = periods.start(CLOSED_BY, index, zone), periods.name(CLOSED_BY, index - 1)
        if (begins, name) == (closed.ends_at, closed.period):
            return None
        expected = f"{name}, which ends at {begins.isoformat()}"
    return expected


def _misnamed(closed: ClosedPeriod, name: str) -> tuple[str, str, str]:
    return f"closed period {closed.period} of {closed.currency}", f"ends at {closed.ends_at.isoformat()}", name


async def _to_close(unit: Unit, loaded: Loaded, command: ClosePeriod, index: int) -> Mapping[str, ClosedPeriod | None]:
    """The currencies in which a month is to be closed, each with its last that is; refused where it is not the next of one of them."""
    begun = await accounting.beginnings(unit)
    if command.currency is None:
        wanted = sorted({*loaded.rulebook.latest.currencies, *begun})
    else:
        await check_currency(unit, loaded, command.currency)
        wanted = [command.currency]
    last = {each.currency: each for each in await accounting.closed(unit)}
    zone, found = loaded.rulebook.latest.zone, {}
    for currency in wanted:
        before = last.get(currency)
        if before is not None:
            due = periods.parse(CLOSED_BY, before.period) + 1
        elif currency in begun:
            due = periods.period_at(CLOSED_BY, begun[currency], zone)
        else:
            due = index + 1 if command.currency is None else index
        if index > due:
            told = f"Periods are closed in order, and the next of `{currency}` is {periods.name(CLOSED_BY, due)}."
            raise PeriodRefused(Unclosable.OUT_OF_ORDER, told, "period")
        if index == due:
            found[currency] = before
        elif command.currency is not None and before is None:
            told = f"The first points of `{currency}` moved in {periods.name(CLOSED_BY, due)}."
            raise PeriodRefused(Unclosable.OUT_OF_ORDER, told, "period")
    if not found and last:
        raise _already(command.period)
    if not found:
        told = f"No points have moved up to the end of {command.period}: the first month to be closed is that in which they do."
        raise PeriodRefused(Unclosable.OUT_OF_ORDER, told, "period")
    return found


async def _figured(
    unit: Unit, loaded: Loaded, place: tuple[str, str, datetime], last: ClosedPeriod | None, through: UUID
) -> ClosedPeriod:
    """A currency's period that ends at an instant as it is to be closed: all that counts since the last one's end."""
    currency, _, ends_at = place
    bounds = [ends_at] if last is None else [last.ends_at, ends_at]
    sums = await accounting.counted(unit, bounds, currency=currency, through=through, sealed=True)
    counted = sums.get(currency, {}).get(len(bounds) - 1, Counted(Figures()))
    opening = 0 if last is None else last.closing
    closing = opening + counted.figures.change
    return ClosedPeriod(*place, through, opening, counted.figures, closing, counted.seal, loaded.now)


def _already(period: str) -> PeriodRefused:
    return PeriodRefused(Unclosable.CLOSED, f"{period} is closed already.", "period")


def _bounds(loaded: Loaded, calendar: Calendar, wanted: range) -> list[datetime]:
    zone = loaded.rulebook.latest.zone
    return [periods.start(calendar, each, zone) for each in range(wanted.start, wanted.stop + 1)]


def _periods(
    calendar: Calendar,
    wanted: range,
    bounds: Sequence[datetime],
    sums: Mapping[int, Counted],
    closed: Sequence[ClosedPeriod],
) -> list[RolledForward]:
    """Periods one after the other. `sums` are by their place, from 1 on; 0 is all before. Those that are closed are as they were."""
    opening = sum(each.figures.change for stretch, each in sums.items() if stretch <= 0)
    final = {each.period: each for each in closed}
    names = [periods.name(calendar, each) for each in wanted]
    moved = [sums.get(stretch, Counted(Figures())).figures for stretch in range(1, len(names) + 1)]
    figures = [final[name].figures if name in final else each for name, each in zip(names, moved, strict=True)]
    return [
        RolledForward(*span, each, final[each.period].closed_at if each.period in final else None)
        for span, each in zip(pairwise(bounds), rolled_forward(opening, zip(names, figures, strict=True)), strict=True)
    ]


def _index(calendar: Calendar, written: str, field: str) -> int:
    try:
        return periods.parse(calendar, written)
    except ValueError as error:
        raise InvalidInput(str(error), field) from error


def _written(told: tuple[int, Figures, int, int]) -> str:
    opening, figures, closing, seal = told
    moved = ", ".join(f"{name} {value}" for name, value in msgspec.structs.asdict(figures).items() if value)
    return f"opening {opening}, {moved or 'nothing moved'}, closing {closing}, seal {seal & (2**64 - 1):016x}"
