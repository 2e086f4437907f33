"""A member's own time zone: a fact from the program's present on, at most one a day.

Her streaks, and the calendar windows of her challenges, go by it from then on; what was counted before stands.
"""

from datetime import datetime, timedelta

import msgspec

from achievements import periods
from achievements.outcomes import Effect
from engagement.actions.programs import Programs
from engagement.actions.telling import check_member, listen
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
    check_member(command.member)
    try:
        if len(command.timezone) > NAME_CHARACTERS_MAX:
            raise ValueError(f"the name of a zone has at most {NAME_CHARACTERS_MAX} characters")
        periods.zone(command.timezone)
    except ValueError as error:
        raise InvalidInput(str(error), "timezone") from error


async def _set(unit: Unit, cache: Programs, command: SetTimezone) -> TimezoneSet:
    listener = await listen(unit, cache, command.member)
    zone = listener.state.zone
    known = listener.loaded.program.timezone if zone is None else zone.timezone
    if known == command.timezone:
        return TimezoneSet(command.member, known, listener.at, changed=False)
    last = await facts.last_at(unit, listener.id, ZONE)
    if last is not None and listener.at < last + BETWEEN_CHANGES:
        again = (last + BETWEEN_CHANGES).isoformat()
        raise TooSoon(f"A member's zone changes at most once a day; this one may again from {again} on.", "timezone")
    effects = await listener.tell(ZONE, {"timezone": command.timezone})
    await members.set_timezone(unit, listener.id, command.timezone)
    await listener.save()
    return TimezoneSet(command.member, command.timezone, listener.at, changed=True, effects=effects)
