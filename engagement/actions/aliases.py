"""How a member is shown on leaderboards: under a name that she chose, or on none of them.

No fact, for it changes nothing that she earns: her scores are counted on, and ranked again when she returns. It holds for all
boards at once, past periods among them.
"""

import unicodedata
from datetime import datetime

import msgspec

from engagement.actions.changes import Message
from engagement.actions.programs import Programs
from engagement.actions.telling import check_member, listen
from engagement.errors import InvalidInput
from engagement.records import members, outbox, standings
from engagement.records.unit import Database, Unit

ALIAS_CHARACTERS_MAX = 40


class SetAlias(msgspec.Struct, frozen=True):
    """Whose name (the app's own id), and which; None for none."""

    member: str
    alias: str | None


class SetHidden(msgspec.Struct, frozen=True):
    """Who leaves the leaderboards (the app's own id), or returns to them."""

    member: str
    hidden: bool


class MemberShown(msgspec.Struct, frozen=True):
    """How a member is shown on leaderboards at `at`; `changed` where it was otherwise before."""

    member: str
    alias: str | None
    hidden: bool
    at: datetime
    changed: bool
    replayed: bool = False


async def set_alias(
    database: Database, programs: Programs, program_id: int, command: SetAlias, *, principal: str, key: str | None
) -> MemberShown:
    """Let boards show a member under another name; one of whom nothing was heard yet is made known by it.

    Several can have the same. Raises `InvalidInput` for what is no member's id, and for a name that is too long, empty or
    holds what cannot be seen; and what `Database.perform` raises.
    """
    alias = None if command.alias is None else _checked(command.alias)
    shown = SetAlias(command.member, alias)
    return await _perform(database, programs, program_id, shown, "setMemberAlias", principal, key)


async def set_hidden(
    database: Database, programs: Programs, program_id: int, command: SetHidden, *, principal: str, key: str | None
) -> MemberShown:
    """Take a member off all leaderboards, or rank her again; one of whom nothing was heard yet is made known by it.

    Raises `InvalidInput` for what is no member's id, and what `Database.perform` raises.
    """
    operation = "leaveLeaderboards" if command.hidden else "returnToLeaderboards"
    return await _perform(database, programs, program_id, command, operation, principal, key)


def _checked(alias: str) -> str:
    """A name in one spelling, without spaces around it."""
    written = unicodedata.normalize("NFC", alias).strip()
    if not 1 <= len(written) <= ALIAS_CHARACTERS_MAX or not written.isprintable():
        raise InvalidInput(f"An alias is 1 to {ALIAS_CHARACTERS_MAX} printable characters.", "alias")
    return written


async def _perform(
    database: Database,
    programs: Programs,
    program_id: int,
    command: SetAlias | SetHidden,
    operation: str,
    principal: str,
    key: str | None,
) -> MemberShown:
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _show(unit, programs, command),
        program_id,
        principal=principal,
        operation=operation,
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(MemberShown).decode,
    )
    return MemberShown(done.member, done.alias, done.hidden, done.at, done.changed, replayed)


async def _show(unit: Unit, programs: Programs, command: SetAlias | SetHidden) -> MemberShown:
    listener = await listen(unit, programs, command.member)
    was = ((await members.of_ids(unit, [listener.id]))[listener.id].alias, listener.hidden)
    alias, hidden = (command.alias, was[1]) if isinstance(command, SetAlias) else (was[0], command.hidden)
    if (alias, hidden) != was:
        await members.set_shown(unit, listener.id, alias, hidden=hidden)
        # In a new version, so that it counts for more than what is on its way. A name is no part of a score.
        version = listener.version
        scores = [] if hidden == was[1] else await standings.show(unit, listener.id, version, hidden=hidden)
        gone = [(each.board, each.period, each.external_id, each.version, each.group) for each in scores if hidden]
        if scores:
            ties = listener.loaded.rulebook.ties
            outbox.publish(unit, msgspec.json.encode(Message([] if hidden else scores, gone, {}, ties)))
        await listener.save()
    return MemberShown(command.member, alias, hidden, listener.at, (alias, hidden) != was)
