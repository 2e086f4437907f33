"""Taking an event back, or saying what it really was.

Both act on the event's own instant, are final, and wait where they arrive before the event. What they change is found by
folding the history again; points that are taken back are booked when this becomes known.
"""

from typing import Literal, TypeAlias

import msgspec

from achievements.amendments import Amendment
from achievements.outcomes import Effect
from achievements.values import ID_CHARACTERS_MAX
from engagement.actions import locking, refolding
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause
from engagement.actions.programs import Loaded, Programs
from engagement.actions.refolding import History
from engagement.actions.sent_events import PROPERTIES_BYTES_MAX
from engagement.errors import AlreadyReversed, InvalidInput, NotFound
from engagement.records import activity, erasures, events, members
from engagement.records.events import Recorded, StoredEvent
from engagement.records.members import Held, Pending
from engagement.records.unit import Database, Unit

AMENDMENTS_MAX = 100
"""Of one event."""

AmendmentStatus: TypeAlias = Literal["APPLIED", "PENDING", "WAITING", "TOO_LATE"]


class Amended(msgspec.Struct, frozen=True):
    """What became of a reversal or an amendment.

    `WAITING` says that the event has not been sent yet, `PENDING` that a long history is folded again in the background,
    `TOO_LATE` that the event counts for nothing anyway. `replayed`: this was said before, and these are the effects of then.
    """

    event: str
    member: str
    status: AmendmentStatus
    replayed: bool = False
    effects: tuple[Effect, ...] = ()


class Amend(msgspec.Struct, frozen=True):
    """A member's event, and what it really was; `properties` None takes it back."""

    member: str
    event: str
    properties: dict[str, object] | None = None


async def amend(
    database: Database, cache: Programs, program_id: int, command: Amend, *, principal: str, key: str | None = None
) -> Amended:
    """Reverse or amend an event. Saying the same again is harmless and gives the first answer.

    Raises `NotFound` for an unknown member, `MemberErased` for one who was erased, `AlreadyReversed` for an amendment of what was taken back, `InvalidInput` for
    an id that no event can have and for properties that the event's type does not allow.
    """
    _check_shape(command)
    amended, replayed = await database.perform(
        lambda unit: amend_within(unit, cache, command),
        program_id,
        principal=principal,
        operation="reverseEvent" if command.properties is None else "amendEvent",
        key=key,
        command=msgspec.json.encode(command, order="deterministic"),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Amended).decode,
    )
    return Amended(amended.event, amended.member, amended.status, replayed or amended.replayed, amended.effects)


def _check_shape(command: Amend) -> None:
    for field, name in (("event", command.event), ("member", command.member)):
        if not 1 <= len(name) <= ID_CHARACTERS_MAX or not name.isprintable():
            raise InvalidInput(f"An id is 1 to {ID_CHARACTERS_MAX} printable characters.", field)
    written = b"" if command.properties is None else msgspec.json.encode(command.properties)
    if len(written) > PROPERTIES_BYTES_MAX or rb"\u0000" in written:
        raise InvalidInput(
            f"Properties take at most {PROPERTIES_BYTES_MAX} bytes of JSON, without NUL characters.", "properties"
        )


async def amend_within(unit: Unit, cache: Programs, command: Amend, *, patient: bool = False) -> Amended:
    """Reverse or amend an event as a part of a unit that does more; as `amend` does. Raises `InProgress` as `locking.lock_one` does."""
    loaded = await cache.load(unit, for_writing=True)
    ids, former = await members.known(unit, [command.member])
    who = ids.get(command.member)
    if who is None:
        await erasures.check_not_erased(unit, command.member)
        raise NotFound(f"No event of a member `{command.member}` was recorded.", "member")
    held = await locking.lock_one(unit, loaded, who, patient=patient)
    known = (await events.earlier(unit, [(who, command.event)])).get((who, command.event))
    said = () if known is None else known.amendments
    event = None if known is None else known.event
    if said and _same(said[-1], command):
        effects = await events.amendment_effects(unit, who, command.event, said[-1].n)
        told = activity.effects_of(effects) if effects else ()
        return Amended(command.event, command.member, _status(held, event, said[-1]), True, told)
    _check(loaded, command, event, said)
    amendment = Amendment(len(said) + 1, "reverse" if command.properties is None else "amend", command.properties)
    if event is None or event.too_late:
        await events.amend(unit, who, command.event, amendment, loaded.now, None, former.get(command.member))
        return Amended(command.event, command.member, "WAITING" if event is None else "TOO_LATE")
    return await _apply(unit, loaded, held, command, Recorded(event, (*said, amendment)))


async def _apply(unit: Unit, loaded: Loaded, held: Held, command: Amend, recorded: Recorded) -> Amended:
    changes = Changes(loaded, [held])
    draft = changes.drafts[held.id]
    amendment = recorded.amendments[-1]
    news = Pending(command.event, amendment.n)
    history = (await refolding.histories(unit, loaded, [(draft, recorded.event.occurred_at)]))[held.id]
    if held.pending or len(history.recorded) > refolding.REFOLD_INPUTS_MAX:
        draft.pending = (*held.pending, news)
        await events.amend(unit, held.id, command.event, amendment, loaded.now, None)
        await changes.save(unit)
        return Amended(command.event, command.member, "PENDING")
    known = _with(history, recorded)
    causes = [Cause(command.event, recorded.event.occurred_at, loaded.now)]
    refold = await refolding.found(unit, held.id, known, known.refolded(held.state.at, {news}), causes, [news])
    seq, effects = (await refolding.take_over(unit, changes, {held.id: refold}))[held.id][command.event]
    await events.amend(unit, held.id, command.event, amendment, loaded.now, seq)
    await changes.save(unit)
    return Amended(command.event, command.member, "APPLIED", effects=tuple(effects))


def _with(history: History, recorded: Recorded) -> History:
    name = recorded.event.id
    return msgspec.structs.replace(
        history, recorded=tuple(recorded if each.event.id == name else each for each in history.recorded)
    )


def _status(held: Held, event: StoredEvent | None, said: Amendment) -> AmendmentStatus:
    """How an earlier word on an event stands now."""
    if event is None:
        return "WAITING"
    if event.too_late:
        return "TOO_LATE"
    return "PENDING" if Pending(event.id, said.n) in held.pending else "APPLIED"


def _same(said: Amendment, command: Amend) -> bool:
    return said.properties == command.properties


def _check(loaded: Loaded, command: Amend, event: StoredEvent | None, said: tuple[Amendment, ...]) -> None:
    if said and said[-1].kind == "reverse":
        raise AlreadyReversed(f"Event `{command.event}` was reversed, which is final.", "event")
    if len(said) >= AMENDMENTS_MAX:
        raise InvalidInput(f"An event is amended at most {AMENDMENTS_MAX} times.", "event")
    kind = None if event is None else loaded.rulebook.event_types_at(event.occurred_at).get(event.type)
    if kind is not None and command.properties is not None:
        _, mistakes = kind.read(command.properties)
        if mistakes:
            raise InvalidInput(mistakes[0].message, mistakes[0].path)
