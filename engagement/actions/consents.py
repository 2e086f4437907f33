"""Consent, purpose by purpose: what a member said, when, and to which words.

No fact: nothing that is counted rests on it, and no condition can read it. Who may send her what is the app's to ask here.
"""

import msgspec

from engagement.actions.programs import Programs
from engagement.actions.telling import check_member, listen
from engagement.errors import InvalidInput, NotFound
from engagement.records import consents
from engagement.records.consents import Consent, ToldBy
from engagement.records.unit import Database, Unit

SOURCE_CHARACTERS_MAX = 200
SAID_MAX = 1_000
"""So often a member says something of one purpose at most."""


class SetConsent(msgspec.Struct, frozen=True):
    """Who (the app's own id), for which purpose, whether she agrees, and where she said so, in the app's words."""

    member: str
    purpose: str
    given: bool
    source: str = ""


class ConsentSet(msgspec.Struct, frozen=True):
    """What holds for a purpose now; `changed` where she said otherwise before, or something of other words."""

    member: str
    consent: Consent
    changed: bool
    replayed: bool = False


async def set_consent(
    database: Database,
    cache: Programs,
    program_id: int,
    command: SetConsent,
    told_by: ToldBy,
    *,
    principal: str,
    key: str | None,
) -> ConsentSet:
    """Note that a member agrees to a purpose as it is worded now, or does not; one of whom nothing was heard is made known by it.

    To say the same of the same words again changes nothing. Raises `NotFound` where the program has no such purpose, `InvalidInput` for
    what is no member's id, a source that is too long, and somebody who never stops; and what `Database.perform` raises.
    """
    check_member(command.member)
    if len(command.source) > SOURCE_CHARACTERS_MAX or not command.source.isprintable():
        raise InvalidInput(f"A source is at most {SOURCE_CHARACTERS_MAX} printable characters.", "source")
    done, replayed = await database.perform(
        lambda unit: _set(unit, cache, command, told_by),
        program_id,
        principal=principal,
        operation="setConsent",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(ConsentSet).decode,
    )
    return ConsentSet(done.member, done.consent, done.changed, replayed)


async def _set(unit: Unit, cache: Programs, command: SetConsent, told_by: ToldBy) -> ConsentSet:
    listener = await listen(unit, cache, command.member)
    version = None if "\0" in command.purpose else await consents.version_of(unit, command.purpose)
    if version is None:
        raise NotFound(f"The program has no purpose `{command.purpose}`.", "purpose")
    last = await consents.last(unit, listener.id, command.purpose)
    if last is not None and (last.given, last.version) == (command.given, version):
        return ConsentSet(command.member, last, changed=False)
    n = 1 + await consents.said(unit, listener.id, command.purpose)
    if n > SAID_MAX:
        raise InvalidInput(f"Of one purpose something is said at most {SAID_MAX:,} times.", "purpose")
    said = Consent(command.purpose, n, command.given, version, command.source, told_by, listener.loaded.now)
    await consents.append(unit, listener.id, said, command.member)
    return ConsentSet(command.member, said, changed=True)
