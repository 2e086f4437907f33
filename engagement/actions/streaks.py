"""Saving a streak: buying a freeze, and restoring one that broke. Facts from the program's present on, paid for in the same unit."""

from datetime import datetime
from typing import assert_never

import msgspec

from achievements import fold, periods
from achievements.outcomes import Effect
from achievements.saving import FREEZE_BOUGHT, STREAK_RESTORED, Freezes, Refused, Restore
from achievements.states import StreakPart
from achievements.streaks import StreakReady
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener, check_member, listen
from engagement.errors import NotFound, StreakRefused
from engagement.records.unit import Database, Unit


class BuyFreeze(msgspec.Struct, frozen=True):
    """Who (the app's own id) buys a freeze for which streak."""

    member: str
    streak: str


class FreezeBought(msgspec.Struct, frozen=True):
    """That a freeze was bought at `at`, and how many the member holds with it."""

    member: str
    streak: str
    at: datetime
    held: int
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


class RestoreStreak(msgspec.Struct, frozen=True):
    """Whose (the app's own id) streak is restored; `by_staff` where it is the program's people who do it for her."""

    member: str
    streak: str
    by_staff: bool = False


class StreakRestored(msgspec.Struct, frozen=True):
    """That a streak was restored at `at`, and how long it is with that."""

    member: str
    streak: str
    at: datetime
    current: int
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def buy_freeze(
    database: Database, programs: Programs, program_id: int, command: BuyFreeze, *, principal: str, key: str | None
) -> FreezeBought:
    """Let a member buy a freeze for a streak at the program's present; one of whom nothing was heard is made known by it.

    Raises `NotFound` where no such streak is in force for her, `StreakRefused` where it sells none, or she holds the most already,
    `NotEnoughPoints` for a price that her balance does not allow, `InvalidInput` for what is no member's id; and what
    `Database.perform` raises.
    """
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _buy(unit, programs, command),
        program_id,
        principal=principal,
        operation="buyStreakFreeze",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(FreezeBought).decode,
    )
    return FreezeBought(done.member, done.streak, done.at, done.held, done.effects, replayed)


async def _buy(unit: Unit, programs: Programs, command: BuyFreeze) -> FreezeBought:
    listener = await listen(unit, programs, command.member, pays=True)
    await listener.arrive()
    rule = _streak(listener, command.streak)
    freezes = rule.freezes or Freezes(hold_at_most=1)
    refused = freezes.refused(_part(listener, rule))
    if refused is not None:
        raise StreakRefused(refused, _unsold(rule.key, freezes, refused), "streak")
    data = {"streak": rule.key}
    effects = await listener.tell(FREEZE_BOUGHT, data, price=freezes.price, source=rule.key)
    await listener.save()
    part = _part(listener, rule)
    return FreezeBought(command.member, rule.key, listener.at, 0 if part is None else part.freezes_held, effects)


async def restore(
    database: Database, programs: Programs, program_id: int, command: RestoreStreak, *, principal: str, key: str | None
) -> StreakRestored:
    """Take up a member's streak that broke, at the program's present, as if what she missed since had been frozen.

    By staff it costs nothing and does not count towards her limit. Raises `NotFound` where no such streak is in force for her,
    `StreakRefused` where it cannot be restored (any more, or once again), `NotEnoughPoints` for a price that her balance does
    not allow, `InvalidInput` for what is no member's id; and what `Database.perform` raises.
    """
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _restore(unit, programs, command),
        program_id,
        principal=principal,
        operation="restoreStreak",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(StreakRestored).decode,
    )
    return StreakRestored(done.member, done.streak, done.at, done.current, done.effects, replayed)


async def _restore(unit: Unit, programs: Programs, command: RestoreStreak) -> StreakRestored:
    listener = await listen(unit, programs, command.member, pays=True)
    await listener.arrive()
    rule = _streak(listener, command.streak)
    if rule.restore is None:
        raise StreakRefused(Refused.NOT_OFFERED, f"The streak `{rule.key}` is not restored.", "streak")
    part = _part(listener, rule)
    local = fold.local_time(listener.loaded.rulebook, listener.state)
    period = periods.index(rule.calendar, local.day(listener.at))
    refused = rule.restore.refused(part, period, by_staff=command.by_staff)
    if refused is not None:
        raise StreakRefused(refused, _unrestored(rule, rule.restore, part, refused), "streak")
    data = {"streak": rule.key, **({"by_staff": True} if command.by_staff else {})}
    price = None if command.by_staff else rule.restore.price
    effects = await listener.tell(STREAK_RESTORED, data, price=price, source=rule.key)
    await listener.save()
    part = _part(listener, rule)
    return StreakRestored(command.member, rule.key, listener.at, 0 if part is None else part.current, effects)


def _streak(listener: Listener, key: str) -> StreakReady:
    """The streak that is meant, where it is in force for the member."""
    rules = listener.loaded.rulebook.at(listener.at)
    found = None if rules is None else rules.by_name.get(f"streaks/{key}")
    if rules is None or not isinstance(found, StreakReady):
        raise NotFound("No streak of that key is in force.", "streak")
    state = listener.state
    if not (rules.judges(found.name, state) and rules.offers(found.name, state, listener.at)):
        raise NotFound(f"The streak `{found.key}` is not for this member.", "streak")
    return found


def _part(listener: Listener, rule: StreakReady) -> StreakPart | None:
    part = listener.state.parts.get(rule.name)
    return part if isinstance(part, StreakPart) else None


def _unsold(key: str, freezes: Freezes, refused: Refused) -> str:
    if refused is Refused.HOLDS_MOST:
        return f"The member holds {freezes.hold_at_most} freezes of `{key}` already, and that is the most."
    return f"The streak `{key}` sells no freezes."


def _unrestored(rule: StreakReady, restore: Restore, part: StreakPart | None, refused: Refused) -> str:
    match refused:
        case Refused.NOT_OFFERED | Refused.HOLDS_MOST:
            return f"The streak `{rule.key}` is restored by the program's people alone."
        case Refused.NOT_BROKEN:
            return f"The streak `{rule.key}` has not broken: there is nothing to restore."
        case Refused.TOO_LATE:
            run = part.lost.runs[-1] if part is not None and part.lost is not None else None
            missed = "" if run is None else f" when {periods.name(rule.calendar, run.missed)} was missed"
            return (
                f"It broke{missed}; it can be restored within {restore.within} periods of that ({rule.calendar.value})."
            )
        case Refused.USED_UP:
            per = "" if restore.per is None else f" within {restore.per} periods ({rule.calendar.value})"
            return f"It is restored at most {restore.at_most} times{per}, and was."
    assert_never(refused)
