"""Setting a member's points aside for something under way: a hold is captured (all of it, or a part), voided, or ends by itself."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec

from achievements.movements import PointsHeld
from achievements.outcomes import Effect
from engagement.actions.adjustments import check_limits
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener, check_member, listen, listen_to
from engagement.errors import Again, InvalidInput, NotFound
from engagement.records import holds, members, redemptions
from engagement.records.holds import Hold
from engagement.records.unit import Database, Unit, Work

HOLD_SECONDS_MAX = 30 * 86_400
HOLD_SECONDS = 900
"""How long points are set aside where nobody says."""
OPEN_HOLDS_MAX = 100
"""Of one member at a time."""
SOURCE_CHARACTERS_MAX = 200
POINTS_HELD_MAX = 1_000_000_000
CAPTURED = "captured"
"""The fact that held points were spent."""
VOIDED = "voided"
"""The fact that they came free."""


class HoldPoints(msgspec.Struct, frozen=True):
    """Of whom (the app's own id), how many points of which currency (None: the only one), for what, and for how many seconds."""

    member: str
    points: int
    source: str
    currency: str | None = None
    seconds: int = HOLD_SECONDS


class CaptureHold(msgspec.Struct, frozen=True):
    """Which hold, and how many of its points are spent; None: all of them."""

    hold: str
    points: int | None = None


class VoidHold(msgspec.Struct, frozen=True):
    """Which hold."""

    hold: str


class Asked(NamedTuple):
    """Who asks, and under which idempotency key."""

    principal: str
    key: str | None


class HoldChanged(msgspec.Struct, frozen=True):
    """A hold as it is now, whose it is (the app's own id), and what was told of it."""

    member: str
    hold: Hold
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def hold_points(
    database: Database, programs: Programs, program_id: int, command: HoldPoints, *, principal: str, key: str | None
) -> HoldChanged:
    """Set points of a member aside from the program's present on.

    Raises `NotEnoughPoints` where the balance does not allow it, `InvalidInput` for what is no member's id, no currency, no number of
    points or seconds, or too many holds at a time; and what `Database.perform` raises.
    """
    check_member(command.member)
    if not 1 <= command.points <= POINTS_HELD_MAX:
        raise InvalidInput(f"Hold 1 to {POINTS_HELD_MAX:,} points.", "points")
    if not 1 <= command.seconds <= HOLD_SECONDS_MAX:
        raise InvalidInput(f"A hold lasts 1 to {HOLD_SECONDS_MAX:,} seconds.", "seconds")
    if not 1 <= len(command.source) <= SOURCE_CHARACTERS_MAX or not command.source.isprintable():
        raise InvalidInput(f"Say what for in 1 to {SOURCE_CHARACTERS_MAX} printable characters.", "source")
    return await _perform(
        database,
        program_id,
        "holdPoints",
        command,
        lambda unit: _set_aside(unit, programs, command),
        Asked(principal, key),
    )


async def capture_hold(
    database: Database, programs: Programs, program_id: int, command: CaptureHold, *, principal: str, key: str | None
) -> HoldChanged:
    """Spend points that are held, all or a part of them; the rest comes free.

    Raises `NotFound` where there is no such hold, `HoldNotOpen` where it has ended, `InvalidInput` for more points than it holds, and for
    one that a redemption holds; `LimitExceeded` for more than the key may take; and what `Database.perform` raises.
    """
    if command.points is not None and not 1 <= command.points <= POINTS_HELD_MAX:
        raise InvalidInput("Capture at least 1 point, and at most what is held.", "points")
    return await _perform(
        database,
        program_id,
        "captureHold",
        command,
        lambda unit: _capture(unit, programs, command, principal),
        Asked(principal, key),
    )


async def void_hold(
    database: Database, programs: Programs, program_id: int, command: VoidHold, *, principal: str, key: str | None
) -> HoldChanged:
    """Let points that are held come free. Raises what `capture_hold` does, but for limits."""
    return await _perform(
        database, program_id, "voidHold", command, lambda unit: _void(unit, programs, command), Asked(principal, key)
    )


def hold(
    listener: Listener, currency: str, points: int, source: str, lasting: timedelta
) -> tuple[Hold, tuple[Effect, ...]]:
    """Set points of somebody who arrived and pays aside, and let her feed tell so. Raises `NotEnoughPoints`."""
    listener.check_covered(currency, points)
    at = listener.at
    made = listener.purse.hold(uuid4(), currency, points, source, at, at + lasting)
    effects = (PointsHeld(str(made.id), currency, points, source, at, made.until),)
    listener.show(effects)
    return made, effects


async def _set_aside(unit: Unit, programs: Programs, command: HoldPoints) -> HoldChanged:
    listener = await listen(unit, programs, command.member, pays=True)
    await listener.arrive()
    if len(listener.purse.open_holds) >= OPEN_HOLDS_MAX:
        raise InvalidInput(f"She has {OPEN_HOLDS_MAX} holds already: capture or void some of them first.", "member")
    currency = listener.loaded.currency(command.currency, listener.at)
    made, effects = hold(listener, currency, command.points, command.source, timedelta(seconds=command.seconds))
    await listener.save()
    return HoldChanged(command.member, made, effects)


async def _capture(unit: Unit, programs: Programs, command: CaptureHold, principal: str) -> HoldChanged:
    listener, held = await _holder(unit, programs, command.hold)
    points = held.points if command.points is None else command.points
    if points > held.points:
        raise InvalidInput(f"It holds {held.points:,} points.", "points")
    # Else a key could take by holds what it may not take.
    await check_limits(unit, listener.loaded, principal, held.currency, points, "points")
    effects = await listener.capture(held, points, CAPTURED, {"hold": str(held.id), "source": held.source})
    await listener.save()
    return await _changed(unit, listener, held, effects)


async def _void(unit: Unit, programs: Programs, command: VoidHold) -> HoldChanged:
    listener, held = await _holder(unit, programs, command.hold)
    freed = listener.purse.void(held, listener.at)
    effects = await listener.tell(VOIDED, {"hold": str(held.id), "source": held.source}, beside=freed)
    await listener.save()
    return await _changed(unit, listener, held, effects)


async def _holder(unit: Unit, programs: Programs, hold_id: str) -> tuple[Listener, Hold]:
    """Whose an open hold is, locked and at her present, and the hold."""
    found = await holds.find(unit, _id_of(hold_id))
    if found is None:
        raise NotFound("No hold of that id.", "hold")
    if await redemptions.is_for_one(unit, found.member_id, found.id):
        raise InvalidInput("It is for a reward that is reserved: capture or void the redemption.", "hold")
    listener = (await listen_to(unit, programs, [found.member_id]))[found.member_id]
    again = await holds.find(unit, found.id)
    if again is None or again.member_id != listener.id:
        # Since it was looked up, a merge was undone.
        raise Again
    await listener.arrive()
    return listener, await listener.open_hold(found.id)


async def _changed(unit: Unit, listener: Listener, held: Hold, effects: tuple[Effect, ...]) -> HoldChanged:
    after = await holds.find(unit, held.id)
    assert after is not None, "it was just saved"
    return HoldChanged((await members.of_ids(unit, [listener.id]))[listener.id].external_id, after, effects)


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("No hold of that id.", "hold") from error


async def _perform(
    database: Database,
    program_id: int,
    operation: str,
    command: HoldPoints | CaptureHold | VoidHold,
    work: Work[HoldChanged],
    asked: Asked,
) -> HoldChanged:
    done, replayed = await database.perform(
        work,
        program_id,
        principal=asked.principal,
        operation=operation,
        key=asked.key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(HoldChanged).decode,
    )
    answer: HoldChanged = msgspec.structs.replace(done, replayed=replayed)
    return answer
