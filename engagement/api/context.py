"""What every resolver is told about the request that it answers, and how the caller is known."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from engagement.api.admission import Slot
from engagement.api.replies import Learned
from engagement.observer import Answer

P = TypeVar("P")

TransportName = Literal["http", "websocket", "stream"]

Authenticate = Callable[[str | None, str | None], Awaitable[P]]
"""Turns (bearer token, program key) into a principal; either may be missing.

Without a token it returns an anonymous principal. It raises `Unauthenticated` for a token that is unknown, revoked or
expired, and any other `Refusal` (`Unavailable`, say) when it cannot tell. Two attributes of a principal matter here,
and both may be absent: `is_server: bool` widens the limits, `expires_at: datetime | None` (aware) ends a socket then.
"""


@dataclass(slots=True)
class Context(Generic[P]):
    """One operation's surroundings; a new one for each operation, also on a shared socket.

    `principal` is whatever authentication returned. `transport` is `http` for a plain request, `websocket` for an
    operation on a socket, `stream` for a subscription over server-sent events or multipart. `request_id` is in every log
    record of a failure. `origin` is the browser's Origin header, `None` outside browsers; it proves nothing about other
    clients. `answer` gathers what is told to the observer when the operation is over.
    `learned` is about its document, once that is known to be one that is kept.
    `slot` is its place among the operations in work, `None` where nobody counts.
    """

    principal: P
    transport: TransportName
    request_id: str
    origin: str | None = None
    answer: Answer = field(default_factory=lambda: Answer(""))
    learned: Learned | None = None
    slot: Slot | None = None
