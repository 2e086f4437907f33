"""Why a member got what she got, and what she still lacks: read from her history, nothing is written."""

import asyncio
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from achievements import fold
from achievements.controls import seed_of
from achievements.explaining import Explained, explain_event, explain_member
from achievements.states import MemberState
from achievements.values import Event
from engagement.actions import refolding, screens
from engagement.actions.programs import Loaded
from engagement.errors import InvalidInput, NotFound
from engagement.records import events, facts, members, snapshots
from engagement.records.unit import Unit

INPUTS_MAX = 20_000
"""So many inputs lie at most between the last snapshot before an event and the event, to explain it."""

Standing: TypeAlias = Literal["COUNTS", "REVERSED", "TOO_LATE"]


class EventNotFound(NotFound):
    """No such event of the member was recorded."""

    code = "EVENT_NOT_FOUND"


class EventExplained(msgspec.Struct, frozen=True):
    """What an event did, as everything is known now. One that was reversed, or came too late, did nothing."""

    member: str
    event: str
    type: str | None
    at: datetime
    standing: Standing
    definitions: tuple[Explained, ...]


class MemberExplained(msgspec.Struct, frozen=True):
    """How far a member is at an instant, and what is missing to each next step."""

    member: str
    as_of: datetime
    definitions: tuple[Explained, ...]


async def event(unit: Unit, loaded: Loaded, external_id: str, event_id: str) -> EventExplained:
    """Explain an event of a member. Raises `MemberNotFound`, `EventNotFound`, and `InvalidInput` for one too far back."""
    member = await screens.found(unit, external_id)
    known = [] if "\0" in event_id else await events.instants(unit, member.id, [event_id])
    if not known:
        raise EventNotFound("This member has no event of that id.", "event")
    ((_, at),) = known
    bases = await snapshots.before(unit, [(member.id, at)])
    base = bases.get(member.id) or MemberState(seed=seed_of(external_id))
    start = [(member.id, base)]
    recorded = (await events.since(unit, start, INPUTS_MAX))[member.id]
    held = next((each for each in recorded if each.event.id == event_id), None)
    if held is None and len(recorded) == INPUTS_MAX:
        raise InvalidInput(f"More than {INPUTS_MAX} inputs lie between a kept state and this event.", "event")
    if held is None:
        return EventExplained(external_id, event_id, None, at, "TOO_LATE", ())
    told = (await facts.since(unit, start))[member.id]
    inputs = refolding.inputs(loaded, recorded, told)
    rulebook = loaded.line.rulebook_of((await members.states(unit, [member.id]))[member.id])
    place = next(
        (number for number, each in enumerate(inputs) if isinstance(each, Event) and each.id == event_id), None
    )
    if place is None:
        return EventExplained(external_id, event_id, held.event.type, at, "REVERSED", ())
    happened = inputs[place]
    assert isinstance(happened, Event), "it was looked for among events"

    def explained() -> tuple[Explained, ...]:
        state = base
        for entry in inputs[:place]:
            state, _ = fold.apply(rulebook, state, entry)
        return explain_event(rulebook, state, happened)

    return EventExplained(external_id, event_id, happened.type, at, "COUNTS", await asyncio.to_thread(explained))


async def member(unit: Unit, loaded: Loaded, external_id: str) -> MemberExplained:
    """Explain where a member stands. Raises `MemberNotFound`."""
    found = await screens.found(unit, external_id)
    held = (await members.states(unit, [found.id]))[found.id]
    as_of = max(loaded.now, held.state.at)
    rulebook = loaded.line.rulebook_of(held)
    state, _ = fold.advance(rulebook, held.state, as_of)
    return MemberExplained(external_id, as_of, explain_member(rulebook, state, as_of))
