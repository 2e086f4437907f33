"""Points that a member gives another, where their currency allows it. They keep the dates of the lots that they come from."""

from collections.abc import Mapping

import msgspec

from achievements import periods
from achievements.movements import PointsTransferred
from achievements.outcomes import Effect
from achievements.parts import POINTS_MAX
from achievements.points import Transfers
from engagement.actions.adjustments import check_limits, check_note
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener, check_member, listen_to
from engagement.errors import InvalidInput, LimitExceeded, NotAllowed, NotFound
from engagement.records import ledger, members
from engagement.records.facts import MOVED
from engagement.records.unit import Database, Unit

GIVEN = "points_given"
RECEIVED = "points_received"
LOTS = "lots"
"""What she got, in the fact that says so: points with the dates that they keep."""
TRANSFER = "transfer"
"""The source of such transfers and lots."""


class TransferPoints(msgspec.Struct, frozen=True):
    """Who gives whom (the app's own ids) how many points of which currency (None: the only one), and what she says to it."""

    giver: str
    receiver: str
    points: int
    currency: str | None = None
    note: str = ""


class Transferred(msgspec.Struct, frozen=True):
    """What went from one to another, what the giver can spend since, and what that changed for both."""

    giver: str
    receiver: str
    currency: str
    points: int
    balance: int
    effects: tuple[Effect, ...] = ()
    received: tuple[Effect, ...] = ()
    replayed: bool = False


async def transfer_points(
    database: Database, programs: Programs, program_id: int, command: TransferPoints, *, principal: str, key: str | None
) -> Transferred:
    """Let a member give another points at the program's present.

    Raises `InvalidInput` for what is no member's id, no currency, no number of points, and for giving to oneself; `NotFound` for a
    member of whom nothing was heard; `NotAllowed` where the currency knows no transfers; `LimitExceeded` for more or less than it
    allows; `NotEnoughPoints` where the balance does not; and what `Database.perform` raises.
    """
    check_member(command.giver)
    check_member(command.receiver)
    if command.giver == command.receiver:
        raise InvalidInput("Points go to another member.", "to")
    if not 1 <= command.points <= POINTS_MAX:
        raise InvalidInput(f"Give 1 to {POINTS_MAX:,} points.", "points")
    check_note(command.note)
    done, replayed = await database.perform(
        lambda unit: _transfer(unit, programs, command, principal),
        program_id,
        principal=principal,
        operation="transferPoints",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Transferred).decode,
    )
    answer: Transferred = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def _transfer(unit: Unit, programs: Programs, command: TransferPoints, principal: str) -> Transferred:
    known = await members.ids_of(unit, [command.giver, command.receiver])
    for name, field in ((command.giver, "from"), (command.receiver, "to")):
        if name not in known:
            raise NotFound(f"Nothing was heard of the member `{name[:80]}`.", field)
    if known[command.giver] == known[command.receiver]:
        raise InvalidInput("Points go to another member.", "to")
    both = await listen_to(unit, programs, list(known.values()))
    giver, receiver = both[known[command.giver]], both[known[command.receiver]]
    currency = giver.loaded.currency(command.currency, giver.at)
    for each in (giver, receiver):
        await each.arrive()
    await _check(unit, giver, currency, command.points)
    # A key moves no more points from one to another than it may give and take.
    await check_limits(unit, giver.loaded, principal, currency, command.points, "points")
    given = giver.purse.give(currency, command.points, giver.at, TRANSFER, giver.fact_id(GIVEN))
    receiver.purse.receive(currency, given, receiver.at, TRANSFER, receiver.fact_id(RECEIVED))
    effects = await _tell(giver, GIVEN, currency, -command.points, {"note": command.note})
    received = await _tell(receiver, RECEIVED, currency, command.points, {"note": command.note, LOTS: given})
    await giver.save()
    balance = giver.purse.balance(currency)
    return Transferred(command.giver, command.receiver, currency, command.points, balance, effects, received)


async def _tell(
    listener: Listener, kind: str, currency: str, change: int, said: Mapping[str, object]
) -> tuple[Effect, ...]:
    moved = {MOVED: {"currency": currency, "points": change}, **said}
    return await listener.tell(kind, moved, beside=(PointsTransferred(currency, change, listener.at),))


async def _check(unit: Unit, giver: Listener, currency: str, points: int) -> None:
    rules = giver.loaded.rules_at(giver.at)
    allowed = rules.currencies[currency].transfers
    if allowed is None:
        raise NotAllowed(f"Members cannot give one another points of `{currency}`.", "currency")
    if not allowed.at_least <= points <= allowed.at_most:
        said = f"Give {allowed.at_least:,} to {allowed.at_most:,} points of `{currency}` at a time."
        raise LimitExceeded(allowed.at_most, said, "points")
    await _check_day(unit, giver, currency, points, allowed)
    giver.check_covered(currency, points)


async def _check_day(unit: Unit, giver: Listener, currency: str, points: int, allowed: Transfers) -> None:
    per_day = allowed.per_day
    if per_day.points is None and per_day.times is None:
        return
    rules = giver.loaded.rules_at(giver.at)
    calendar = periods.Calendar.DAY
    since = periods.start(calendar, periods.period_at(calendar, giver.at, rules.zone), rules.zone)
    times, gave = await ledger.given_since(unit, giver.id, TRANSFER, currency, since)
    if per_day.times is not None and times >= per_day.times:
        raise LimitExceeded(0, f"She has given points {times} times today, which is as often as she may.", "from")
    if per_day.points is not None and gave + points > per_day.points:
        left = max(0, per_day.points - gave)
        raise LimitExceeded(left, f"She may give {left:,} more points of `{currency}` today.", "points")
