"""Points that the program's people give a member, or take: for a reason that the program knows, within the limits of the key."""

from collections.abc import Mapping

import msgspec

from achievements import periods
from achievements.adjustments import AdjustmentReason
from achievements.movements import PointsAdjusted
from achievements.outcomes import Effect
from achievements.parts import POINTS_MAX
from achievements.rulebook import Rules
from engagement.actions.programs import Loaded, Programs
from engagement.actions.telling import check_member, listen
from engagement.errors import InvalidInput, LimitExceeded
from engagement.records import credentials
from engagement.records.facts import MOVED
from engagement.records.unit import Database, Unit

ADJUSTED = "adjusted"
NOTE_CHARACTERS_MAX = 500


class AdjustPoints(msgspec.Struct, frozen=True):
    """Whose (the app's own id), by how many points of which currency (None: the only one; below 0 they are taken), why, and what else
    there is to say.
    """

    member: str
    change: int
    reason: str
    currency: str | None = None
    note: str = ""


class Adjusted(msgspec.Struct, frozen=True):
    """What a member was given or taken, what she can spend since, and what that changed for her."""

    member: str
    currency: str
    change: int
    reason: str
    balance: int
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def adjust_points(
    database: Database, programs: Programs, program_id: int, command: AdjustPoints, *, principal: str, key: str | None
) -> Adjusted:
    """Give a member points as a lot of their own, which ends as if they had been earned at the program's present, or take some.

    One of whom nothing was heard yet is made known by it. Raises `InvalidInput` for what is no member's id, no currency, no number of
    points and no reason of the program, or one of the other direction; `NotEnoughPoints` where more is to be taken than the balance
    allows; `LimitExceeded` for more than the reason or the key may; and what `Database.perform` raises.
    """
    check_member(command.member)
    if command.change == 0 or abs(command.change) > POINTS_MAX:
        raise InvalidInput(f"Give 1 to {POINTS_MAX:,} points, or take as many: below 0.", "change")
    check_note(command.note)
    done, replayed = await database.perform(
        lambda unit: _adjust(unit, programs, command, principal),
        program_id,
        principal=principal,
        operation="adjustPoints",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Adjusted).decode,
    )
    answer: Adjusted = msgspec.structs.replace(done, replayed=replayed)
    return answer


def check_note(note: str) -> None:
    """`InvalidInput` for what is too long for a note, or cannot be read."""
    if len(note) > NOTE_CHARACTERS_MAX or not note.replace("\n", " ").isprintable():
        raise InvalidInput(f"A note has at most {NOTE_CHARACTERS_MAX} printable characters.", "note")


async def _adjust(unit: Unit, programs: Programs, command: AdjustPoints, principal: str) -> Adjusted:
    listener = await listen(unit, programs, command.member, pays=True)
    await listener.arrive()
    at, rules = listener.at, listener.loaded.rules_at(listener.at)
    currency = listener.loaded.currency(command.currency, at)
    _check_reason(rules, command)
    # The key's own row is locked last, by everybody: it is the one that most have in common.
    await check_limits(unit, listener.loaded, principal, currency, abs(command.change))
    if command.change < 0:
        listener.check_covered(currency, -command.change)
    expires_at = rules.currencies[currency].expires_at(at, rules.zone)
    listener.purse.adjust(currency, command.change, at, expires_at, command.reason, listener.fact_id(ADJUSTED))
    data: Mapping[str, object] = {
        "reason": command.reason,
        "note": command.note,
        "by": principal,
        MOVED: {"currency": currency, "points": command.change},
    }
    beside = (PointsAdjusted(currency, command.change, command.reason, at),)
    effects = await listener.tell(ADJUSTED, data, beside=beside)
    await listener.save()
    balance = listener.purse.balance(currency)
    return Adjusted(command.member, currency, command.change, command.reason, balance, effects)


def _check_reason(rules: Rules, command: AdjustPoints) -> None:
    known = {each.key: each for each in rules.program.sections.get("adjustment_reasons", ())}
    reason = known.get(command.reason)
    if not isinstance(reason, AdjustmentReason):
        there = ", ".join(known) or "none; define some under `adjustment_reasons`"
        raise InvalidInput(f"The reasons that the program knows are: {there}.", "reason")
    if not reason.allows(command.change):
        raise InvalidInput(f"For the reason `{reason.key}` points are only {_DONE[reason.direction]}.", "change")
    if reason.at_most is not None and abs(command.change) > reason.at_most:
        said = f"For the reason `{reason.key}` at most {reason.at_most:,} points are given or taken at a time."
        raise LimitExceeded(reason.at_most, said, "change")


_DONE = {"give": "given", "take": "taken"}


async def check_limits(
    unit: Unit, loaded: Loaded, principal: str, currency: str, points: int, field: str = "change"
) -> None:
    """`LimitExceeded` for more than a key may move, at a time or on this day of the program. Members' tokens have no such limits."""
    credential = principal.removeprefix("key:")
    limits = await credentials.limits_of(unit, credential)
    most = limits.points_per_adjustment
    if most is not None and points > most:
        raise LimitExceeded(most, f"This key may give or take {most:,} points at a time.", field)
    most = limits.points_per_day
    if most is None:
        return
    today = periods.local_day(loaded.now, loaded.rules_at(loaded.now).zone)
    total = await credentials.adjusted(unit, credential, currency, today, points)
    if total > most:
        left = max(0, most - total + points)
        raise LimitExceeded(left, f"This key may give or take {most:,} points a day, and {left:,} more today.", field)
