"""The life of a definition: a draft, then scheduled, active, perhaps paused, and ended.

Outside its life a definition is known, checked and named by others as before, and nobody is judged by it. What was counted of a
member by then stays as it is: a paused definition goes on from there. Time passes for it meanwhile, but nobody loses a streak by that:
a period in which its definition was paused, for however short a time, is not missed. One that has ended is settled: what is under way
is never completed, and nothing of it falls due any more.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from achievements.parts import Definition, Living, Misfit, between

Status: TypeAlias = Literal["draft", "scheduled", "active", "paused", "ended"]
Stretch: TypeAlias = tuple[datetime, datetime | None]
"""A stretch of time, up to an instant that is not in it; None where it goes on."""


class Life(NamedTuple):
    """What is written of a definition's life, with its instants in UTC."""

    written: str
    starts: datetime | None
    ends: datetime | None

    def status(self, at: datetime) -> Status:
        """Where it stands at an instant. What has ended has, whatever else is written."""
        if self.written == "draft":
            return "draft"
        if self.ends is not None and self.ends <= at:
            return "ended"
        if self.starts is not None and at < self.starts:
            return "scheduled"
        return "paused" if self.written == "paused" else "active"


ALWAYS = Life("active", None, None)
"""The life of what nothing is written of."""


def life_of(definition: Definition) -> Life:
    """The life of a definition; Misfit where what is written of it makes no sense. What has none is always active."""
    if not isinstance(definition, Living):
        return ALWAYS
    try:
        return Life(definition.status, *between(definition.starts, definition.ends))
    except Misfit as error:
        field = {"from": "starts", "until": "ends"}[error.field]
        said = "`ends` comes after `starts`" if field == "ends" and definition.starts else str(error)
        raise Misfit(field, said) from error


def turns(lives: Iterable[Life]) -> set[datetime]:
    """The instants at which any of these begins or ends."""
    return {
        instant for life in lives if life.written != "draft" for instant in life[1:] if isinstance(instant, datetime)
    }


def stops_of(editions: Iterable[tuple[datetime, Mapping[str, Status]]]) -> Iterator[Mapping[str, tuple[Stretch, ...]]]:
    """For each edition of a program, by when it begins and what stands otherwise than active in it: when each was paused up to then."""
    stops: dict[str, tuple[Stretch, ...]] = {}
    for start, standing in editions:
        for name in {*stops, *standing}:
            before, paused = stops.get(name, ()), standing.get(name) == "paused"
            goes_on = bool(before) and before[-1][1] is None
            if paused and not goes_on:
                stops[name] = (*before, (start, None))
            elif goes_on and not paused:
                stops[name] = (*before[:-1], (before[-1][0], start))
        yield dict(stops)
