"""Reads what a caller shows, and watches it for as long as a connection lives on it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic

from engagement.api.context import Authenticate, P
from engagement.api.failures import masked
from engagement.api.limits import RECHECK_SECONDS
from engagement.errors import Forbidden, Refusal, Unauthenticated

PROGRAM_HEADER: Final = "Engagement-Program"


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


class Watch(Generic[P]):
    """A credential that was accepted, and is looked at again for as long as a connection lives on it."""

    def __init__(self, authenticate: Authenticate[P], credentials: Credentials, principal: P) -> None:
        self._authenticate = authenticate
        self._credentials = credentials
        self.principal = principal
        """What authentication said last."""

    async def ended(self) -> None:
        """Return when the credential has expired or is no longer accepted."""
        while True:
            expires_at: datetime | None = getattr(self.principal, "expires_at", None)
            left = (expires_at - datetime.now(UTC)).total_seconds() if expires_at else RECHECK_SECONDS
            await asyncio.sleep(min(max(left, 0.0), RECHECK_SECONDS))
            if expires_at and datetime.now(UTC) >= expires_at:
                return
            try:
                self.principal = await self._authenticate(self._credentials.token, self._credentials.program)
            except (Unauthenticated, Forbidden):
                return
            except Exception as error:  # noqa: BLE001
                # Not knowing is no reason to drop a sound client: the next check decides.
                if not isinstance(error, Refusal):
                    masked(error, request_id=None)


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
