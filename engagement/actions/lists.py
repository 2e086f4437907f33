"""Lists: segments whose members are named one by one. Who is put on one, or taken off, is so from the program's present on."""

from datetime import datetime

import msgspec

from achievements.outcomes import Effect
from achievements.segments import LISTED, SegmentReady
from engagement.actions.programs import Programs
from engagement.actions.telling import check_member, listen
from engagement.errors import InvalidInput
from engagement.records.unit import Database, Unit


class SetListed(msgspec.Struct, frozen=True):
    """Whom (the app's own id), on which list (the key of a segment), and whether to put her on it or take her off."""

    member: str
    segment: str
    listed: bool


class ListedSet(msgspec.Struct, frozen=True):
    """That a member is on a list, or is not, at `at`; `changed` where she was not so before, with what that changed for her."""

    member: str
    segment: str
    listed: bool
    at: datetime
    changed: bool
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def set_listed(
    database: Database, cache: Programs, program_id: int, command: SetListed, *, principal: str, key: str | None
) -> ListedSet:
    """Put a member on a list or take her off it; one of whom nothing was heard yet is made known by it.

    Raises `InvalidInput` for what is no member's id, and for a segment that is no list, and what `Database.perform` raises.
    """
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _set(unit, cache, command),
        program_id,
        principal=principal,
        operation="addToList" if command.listed else "removeFromList",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(ListedSet).decode,
    )
    return ListedSet(done.member, done.segment, done.listed, done.at, done.changed, done.effects, replayed)


async def _set(unit: Unit, cache: Programs, command: SetListed) -> ListedSet:
    listener = await listen(unit, cache, command.member)
    rules = listener.loaded.rulebook.at(listener.at) or listener.loaded.rulebook.latest
    lists = [each.key for each in rules.by_name.values() if isinstance(each, SegmentReady) and each.condition is None]
    if command.segment not in lists:
        there = ", ".join(lists) or "none"
        raise InvalidInput(f"The program defines no list of that key; it has: {there}.", "list")
    listed = command.segment in rules.members.segments(listener.state, listener.at)
    effects: tuple[Effect, ...] = ()
    if listed is not command.listed:
        effects = await listener.tell(LISTED, {"segment": command.segment, "listed": command.listed})
        await listener.save()
    changed = listed is not command.listed
    return ListedSet(command.member, command.segment, command.listed, listener.at, changed=changed, effects=effects)
