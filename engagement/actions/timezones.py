"""A member's own time zone: a fact from the program's present on, at most one a day.

Her streaks, and the calendar windows of her challenges, go by it from then on; what was counted before stands.
"""

from datetime import datetime, timedelta

import msgspec

from achievements import periods
from achievements.outcomes import Effect
from achievements.values import Fact, Order, Rank
from engagement.actions.changes import Changes
from engagement.actions.programs import Programs
from engagement.actions.sent_events import ID_CHARACTERS_MAX
from engagement.errors import InvalidInput, TooSoon
from engagement.records import facts, members
from engagement.records.facts import ZONE
from engagement.records.unit import Database, Unit

NAME_CHARACTERS_MAX = 64
BETWEEN_CHANGES = timedelta(days=1)


class SetTimezone(msgspec.Struct, frozen=True):
    """Whose zone (the app's own id), and which (an IANA name)."""

    member: str
    timezone: str


class TimezoneSet(msgspec.Struct, frozen=True):
    """The zone that a member goes by at `at`; `changed` where it is another than before, with what that changed for her."""

    member: str
    timezone: str
    at: datetime
    changed: bool
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def set_timezone(
    database: Database, cache: Programs, program_id: int, command: SetTimezone, *, principal: str, key: str | None
) -> TimezoneSet:
    """Let a member go by a zone from the program's present on; one of whom nothing was heard yet is made known by it.

    To name the zone that she has changes nothing. Raises `InvalidInput` for what is no member's id or no zone, `TooSoon`
    within a day of her last change, and what `Database.perform` raises.
    """
    _check(command)
    done, replayed = await database.perform(
        lambda unit: _set(unit, cache, command),
        program_id,
        principal=principal,
        operation="setMemberTimezone",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(TimezoneSet).decode,
    )
    return TimezoneSet(done.member, done.timezone, done.at, done.changed, done.effects, replayed)


def _check(command: SetTimezone) -> None:
    if not 1 <= len(command.member) <= ID_CHARACTERS_MAX or not command.member.isprintable():
        raise InvalidInput(f"An id is 1 to {ID_CHARACTERS_MAX} printable characters.", "member")
    try:
        if len(command.timezone) > NAME_CHARACTERS_MAX:
            raise ValueError(f"the name of a zone has at most {NAME_CHARACTERS_MAX} characters")
        periods.zone(command.timezone)
    except ValueError as error:
        raise InvalidInput(str(error), "timezone") from error


async def _set(unit: Unit, cache: Programs, command: SetTimezone) -> TimezoneSet:
    loaded = await cache.load(unit, for_writing=True)
    who = (await members.enrol(unit, [command.member], loaded.now))[command.member]
    held = (await members.lock_states(unit, [who]))[who]
    changes = Changes(loaded, [held])
    draft = changes.drafts[who]
    at = draft.present
    known = loaded.program.timezone if held.state.zone is None else held.state.zone.timezone
    if known == command.timezone:
        return TimezoneSet(command.member, known, at, changed=False)
    last = await facts.last_at(unit, who, ZONE)
    if last is not None and at < last + BETWEEN_CHANGES:
        again = (last + BETWEEN_CHANGES).isoformat()
        raise TooSoon(f"A member's zone changes at most once a day; this one may again from {again} on.", "timezone")
    await changes.bring_due(unit, {who: at})
    # Time first: a fact stands behind all that happened up to its instant.
    order = Order(at, Rank.FACT, f"zone@{at.isoformat()}")
    fact = Fact(order.id, ZONE, at, order, {"timezone": command.timezone})
    _, effects = draft.apply(fact)
    draft.facts.append(fact)
    await members.set_timezone(unit, who, command.timezone)
    await changes.save(unit)
    return TimezoneSet(command.member, command.timezone, at, changed=True, effects=tuple(effects))
