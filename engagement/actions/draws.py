"""How a draw stands: its state, its entries and a member's own, and who won."""

from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from achievements.draws import Draw
from achievements.lifecycle import life_of
from engagement.actions import drawing
from engagement.actions.programs import Loaded, Programs
from engagement.errors import NotFound
from engagement.records import draws, members
from engagement.records.draws import Stored, Window, Won
from engagement.records.unit import Unit

State: TypeAlias = Literal["SCHEDULED", "OPEN", "PAUSED", "ENDED", "DRAWN"]
_STATES: dict[str, State] = {"scheduled": "SCHEDULED", "paused": "PAUSED", "ended": "ENDED"}


class DrawNotFound(NotFound):
    """No draw of that key is in the program."""

    code = "DRAW_NOT_FOUND"


class DrawNotDrawn(NotFound):
    """Who wins is not settled yet."""

    code = "DRAW_NOT_DRAWN"


class Own(NamedTuple):
    """How many entries of a member take part, or took part, and her place; None where she has not won."""

    member_id: UUID
    external_id: str
    entries: int
    place: int | None


class DrawShown(msgspec.Struct, frozen=True):
    """A draw, how many `entries` it has (0 where they were not counted), who won, and what the member has who is asked about."""

    definition: Draw
    stored: Stored
    state: State
    starts_at: datetime | None
    ends_at: datetime | None
    closes_at: datetime | None
    entries: int
    winners: list[Won]
    own: Own | None


async def read(unit: Unit, programs: Programs, key: str, member: str | None, *, counted: bool) -> DrawShown:
    """A draw at the program's present, with what a `member` (the app's own id) has in it, where there is one; its entries `counted`, as long as
    they may change. Raises `DrawNotFound`.
    """
    loaded = await programs.load(unit)
    definition = _found(loaded, key)
    stored = await _stored(unit, key)
    window, is_drawn = drawing.window_of(definition), stored.drawn_at is not None
    entries = stored.entries or 0
    if counted and not is_drawn:
        entries = await loaded.entries.of(unit, window, stored.closed_at)
    return DrawShown(
        definition=definition,
        stored=stored,
        state="DRAWN" if is_drawn else _STATES.get(_status(definition, loaded.now), "OPEN"),
        starts_at=window.since,
        ends_at=window.until,
        closes_at=drawing.closes_at(definition),
        entries=entries,
        winners=await draws.winners(unit, key) if is_drawn else [],
        own=None if member is None else await _own(unit, window, stored, member),
    )


async def drawn(unit: Unit, programs: Programs, key: str) -> Stored:
    """A draw whose winners are drawn. Raises `DrawNotFound` and `DrawNotDrawn`."""
    _found(await programs.load(unit), key)
    stored = await _stored(unit, key)
    if stored.drawn_at is None:
        raise DrawNotDrawn("The winners of this draw are not drawn yet.", "draw")
    return stored


def _found(loaded: Loaded, key: str) -> Draw:
    found = next((each for each in drawing.draws_of(loaded) if each.key == key), None)
    if found is None:
        raise DrawNotFound(f"This program has no draw `{key[:80]}`.", "key")
    return found


async def _stored(unit: Unit, key: str) -> Stored:
    stored = await draws.find(unit, key)
    if stored is None:
        # It was published before draws had seeds, and was never one that is drawn.
        raise DrawNotFound(f"The draw `{key}` has no seed: give it `prizes`.", "key")
    return stored


def _status(definition: Draw, now: datetime) -> str:
    """Where it stands; paused also where it is over, since nothing of it is drawn meanwhile."""
    status = life_of(definition).status(now)
    return "paused" if definition.status == "paused" and status == "ended" else status


async def _own(unit: Unit, window: Window, stored: Stored, member: str) -> Own | None:
    # PostgreSQL keeps no text with a zero in it, and refuses to look for one.
    whose = None if "\0" in member else await members.find(unit, member)
    if whose is None:
        return None
    entries = await draws.count(unit, window, stored.closed_at, whose.id)
    return Own(whose.id, whose.external_id, entries, await draws.place(unit, window.draw, whose.id))
