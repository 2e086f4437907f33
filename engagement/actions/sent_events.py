"""Events as callers send them, and what is wrong with them.

A bad event is refused by itself, with its place in the request, the field and the reason; the others go on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from achievements import periods
from achievements.events import EventType
from achievements.outcomes import Effect
from achievements.rulebook import Rulebook
from achievements.values import ID_CHARACTERS_MAX, Event
from engagement.actions.programs import Loaded
from engagement.errors import InvalidInput, MemberErased

EVENTS_MAX = 1_000
"""In one request."""
PROPERTIES_BYTES_MAX = 16_384
AHEAD_MAX = timedelta(minutes=5)
"""How far ahead of the server's clock a caller's may run; what is further ahead is refused."""


Status: TypeAlias = Literal["APPLIED", "PENDING", "TOO_LATE"]


class SentEvent(msgspec.Struct, frozen=True):
    """One event of a request, as JSON gave it; None where it was left out."""

    id: object = None
    member: object = None
    type: object = None
    occurred_at: object = None
    properties: object = None


class Receipt(msgspec.Struct, frozen=True):
    """The answer to an event that was taken.

    `PENDING` says that a long history is folded again in the background, `TOO_LATE` that the event is kept and changes
    nothing. `replayed` says that the event was taken before, and that these are the effects of that time.
    """

    index: int
    id: str
    member: str
    status: Status
    replayed: bool = False
    effects: tuple[Effect, ...] = ()


class RefusedEvent(msgspec.Struct, frozen=True):
    """The answer to an event that was not taken; `field` is a path within the event."""

    index: int
    id: str | None
    code: str
    message: str
    field: str


class Accepted(msgspec.Struct, frozen=True):
    """An event of the right shape: as the rules see it, and as it was sent (`sent_at`, `properties` as JSON).

    `dated` says whether the caller gave an instant; without one a repeat is told by the rest.
    """

    index: int
    member: str
    event: Event
    dated: bool
    sent_at: datetime
    received_at: datetime
    properties: str
    too_late: bool


class _Wrong(Exception):
    def __init__(self, code: str, message: str, field: str) -> None:
        self.code, self.message, self.field = code, message, field


def check_batch(events: Sequence[SentEvent]) -> None:
    """InvalidInput for a request with no events or too many."""
    if not 1 <= len(events) <= EVENTS_MAX:
        raise InvalidInput(f"Send 1 to {EVENTS_MAX} events in a request, not {len(events)}.", "events")


def check(loaded: Loaded, index: int, sent: SentEvent) -> Accepted | RefusedEvent:
    """What one event of a request comes to in a program."""
    try:
        return _accepted(loaded, index, sent)
    except _Wrong as wrong:
        known = sent.id if isinstance(sent.id, str) else None
        return RefusedEvent(index, known, wrong.code, wrong.message, wrong.field)


def _accepted(loaded: Loaded, index: int, sent: SentEvent) -> Accepted:
    identity = _identifier(sent.id, "id", "an event needs an id of its own, by which a repeat is known")
    member = _identifier(sent.member, "member", "say who did it: the app's own id of the member")
    sent_at, occurred_at, received_at = _instants(loaded, sent.occurred_at)
    event_type = _event_type(loaded.rulebook, sent.type, occurred_at)
    properties = {} if sent.properties is None else sent.properties
    if not isinstance(properties, Mapping):
        raise _Wrong("INVALID_PROPERTIES", "properties are a JSON object", "properties")
    written = msgspec.json.encode(properties)
    if len(written) > PROPERTIES_BYTES_MAX or (rb"\u0000" in written and _holds_nul(properties)):
        raise _Wrong(
            "INVALID_PROPERTIES", f"at most {PROPERTIES_BYTES_MAX} bytes of JSON, without NUL characters", "properties"
        )
    values, mistakes = event_type.read(properties)
    if mistakes:
        raise _Wrong("INVALID_PROPERTIES", mistakes[0].message, mistakes[0].path)
    event = Event(identity, event_type.key, occurred_at, values)
    horizon = loaded.program.horizon_days
    too_late = horizon is not None and occurred_at < received_at - timedelta(days=horizon)
    dated = sent.occurred_at is not None
    return Accepted(index, member, event, dated, sent_at, received_at, written.decode(), too_late)


def _event_type(rulebook: Rulebook, sent: object, at: datetime) -> EventType:
    types = rulebook.event_types_at(at)
    if isinstance(sent, str) and sent in types:
        return types[sent]
    what, known = f"no event type `{str(sent)[:80]}`", ", ".join(types) or "none"
    if types == rulebook.latest.event_types:
        raise _Wrong("UNKNOWN_EVENT_TYPE", f"{what}; the program defines: {known}", "type")
    raise _Wrong("UNKNOWN_EVENT_TYPE", f"{what} at {at:%Y-%m-%dT%H:%M:%SZ}; the program defined then: {known}", "type")


def same(again: Accepted, event_type: str, sent_at: datetime, properties: str) -> bool:
    """Whether an event with the id of an earlier one (its type, instant and properties as sent) is that event again."""
    return (
        event_type == again.event.type
        and (sent_at == again.sent_at or not again.dated)
        and _exactly(properties) == _exactly(again.properties)
    )


# PostgreSQL writes numbers in its own way: compared as decimals, 1e23 is 1e23 however it is written.
_exactly = msgspec.json.Decoder(float_hook=Decimal).decode


def conflict(again: Accepted) -> RefusedEvent:
    """The answer to an event whose id stands for another one."""
    message = f"event `{again.event.id}` of `{again.member}` was sent before with another type, instant or properties"
    return RefusedEvent(again.index, again.event.id, "EVENT_CONFLICT", message, "id")


def erased(sent: Accepted) -> RefusedEvent:
    """The answer to an event of a member who was erased."""
    refusal = MemberErased.of(sent.member)
    return RefusedEvent(sent.index, sent.event.id, refusal.code, refusal.message, "member")


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(key) or _holds_nul(each) for key, each in value.items())
    return isinstance(value, list) and any(_holds_nul(each) for each in value)


def _identifier(value: object, field: str, why: str) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong("MISSING_ID", why, field)
    if len(value) > ID_CHARACTERS_MAX or not value.isprintable():
        raise _Wrong("INVALID_ID", f"an id is 1 to {ID_CHARACTERS_MAX} printable characters", field)
    return value


def _instants(loaded: Loaded, written: object) -> tuple[datetime, datetime, datetime]:
    """When an event was sent as having happened, when it counts as having happened, and when it was received."""
    now = loaded.now
    if written is None:
        return now, now, now
    try:
        sent_at = periods.rfc3339(str(written))
    except ValueError as error:
        raise _Wrong("INVALID_TIME", str(error), "occurredAt") from error
    if loaded.program.sandbox:
        return sent_at, sent_at, max(now, sent_at)
    if sent_at > now + AHEAD_MAX:
        raise _Wrong("TOO_FAR_AHEAD", f"{written} is more than 5 minutes ahead of the server's clock", "occurredAt")
    return sent_at, min(sent_at, now), now
