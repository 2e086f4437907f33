"""What every resolver is told about the request that it answers, and how the caller is known."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from engagement.errors import Unauthenticated

P = TypeVar("P")

TransportName = Literal["http", "websocket", "stream"]

PROGRAM_HEADER = "Engagement-Program"

Authenticate = Callable[[str | None, str | None], Awaitable[P]]
"""Turns (bearer token, program key) into a principal; either may be missing.

Without a token it returns an anonymous principal. It raises `Unauthenticated` for a token that is unknown, revoked or
expired, and any other `Refusal` (`Unavailable`, say) when it cannot tell. Two attributes of a principal matter here,
and both may be absent: `is_server: bool` widens the limits, `expires_at: datetime | None` (aware) ends a socket then.
"""


@dataclass(frozen=True, slots=True)
class Context(Generic[P]):
    """One operation's surroundings; a new one for each operation, also on a shared socket.

    `principal` is whatever authentication returned. `transport` is `http` for a plain request, `websocket` for an
    operation on a socket, `stream` for a subscription over server-sent events or multipart. `request_id` is in every log
    record of a failure. `origin` is the browser's Origin header, `None` outside browsers; it proves nothing about other
    clients.
    """

    principal: P
    transport: TransportName
    request_id: str
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller showed: a bearer token, and the key of the program that it wants where the token does not say."""

    token: str | None
    program: str | None

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> "Credentials":
        """Read `Authorization` and `Engagement-Program`; raises `Unauthenticated` for another scheme than Bearer."""
        return cls(_token(headers.get("authorization")), headers.get(PROGRAM_HEADER.lower()))

    @classmethod
    def of_connection(cls, payload: Mapping[str, object], headers: Mapping[str, str]) -> "Credentials":
        """Read the payload of `connection_init`, then the headers of the handshake for what it leaves out.

        The token is under `Authorization` or `authorization` as `Bearer X`, or bare under `token`.
        """
        shown = _text(payload, "Authorization", "authorization")
        token = _token(shown) or _text(payload, "token")
        program = _text(payload, PROGRAM_HEADER, PROGRAM_HEADER.lower())
        handshake = cls.of_headers(headers) if token is None else cls(token, headers.get(PROGRAM_HEADER.lower()))
        return cls(handshake.token, handshake.program if program is None else program)


def _text(payload: Mapping[str, object], *names: str) -> str | None:
    given = next((payload[name] for name in names if payload.get(name) is not None), None)
    if not isinstance(given, str | None):
        raise Unauthenticated("The credentials of connection_init must be strings.")
    return given


def _token(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send the credential as `Authorization: Bearer …`.")
    return token.strip()
