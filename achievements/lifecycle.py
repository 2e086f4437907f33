"""The life of a definition: a draft, then scheduled, active, perhaps paused, and ended.

Outside its life a definition is known, checked and named by others as before, and nobody is judged by it. What was counted of a
member by then stays as it is: a paused definition goes on from there, but time passes for it meanwhile, so that a streak still
breaks. One that has ended is settled: what is under way is never completed, and nothing of it falls due any more.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from achievements.parts import Definition, Living, Misfit, between

Status: TypeAlias = Literal["draft", "scheduled", "active", "paused", "ended"]


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


_ALWAYS = Life("active", None, None)


def life_of(definition: Definition) -> Life:
    """The life of a definition; Misfit where what is written of it makes no sense. What has none is always active."""
    if not isinstance(definition, Living):
        return _ALWAYS
    try:
        return Life(definition.status, *between(definition.starts, definition.ends))
    except Misfit as error:
        field = {"from": "starts", "until": "ends"}[error.field]
        said = "`ends` comes after `starts`" if field == "ends" and definition.starts else str(error)
        raise Misfit(field, said) from error


def turns(definitions: Iterable[Definition]) -> set[datetime]:
    """The instants at which any of them begins or ends."""
    lives = [life_of(each) for each in definitions]
    return {
        instant for life in lives if life.written != "draft" for instant in life[1:] if isinstance(instant, datetime)
    }
