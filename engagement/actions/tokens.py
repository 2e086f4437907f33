"""Members' tokens: short-lived JWTs that a program's servers hand to its app.

Signed by HS256 with the program's secret; `aud` is the program's key, `sub` the app's own id of the member. A token lives at
most 15 minutes: there is no list of revoked ones.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import extract_compact

from engagement.errors import InvalidInput, Unauthenticated
from engagement.records.programs import Program

LIFE_MINUTES_MAX: Final = 15
LEEWAY: Final = timedelta(seconds=60)
"""How far the clocks of whoever signs and of this server may differ."""

_LATEST_SECONDS: Final = 32_503_680_000  # The year 3000.
_ALGORITHM: Final = "HS256"
_MEMBER_ID_CHARACTERS_MAX: Final = 255


class Claims(msgspec.Struct, frozen=True):
    """What a token says: whose it is (the app's own id), and when it is over, leeway included."""

    external_id: str
    expires_at: datetime


class _Written(msgspec.Struct, frozen=True):
    """The claims as they are written; instants are seconds since 1970."""

    aud: str
    sub: str
    iat: float
    exp: Annotated[float, msgspec.Meta(ge=0, le=_LATEST_SECONDS)]
    nbf: float = 0


def mint(program: Program, external_id: str, minutes: int, *, now: datetime | None = None) -> str:
    """A token for a member of a program, from `now` (the server's time) on. Raises `InvalidInput` for over 15 minutes."""
    if not 1 <= minutes <= LIFE_MINUTES_MAX:
        raise InvalidInput(f"A token lives 1 to {LIFE_MINUTES_MAX} minutes.", "minutes")
    if not 1 <= len(external_id) <= _MEMBER_ID_CHARACTERS_MAX:
        raise InvalidInput(f"A member's id has 1 to {_MEMBER_ID_CHARACTERS_MAX} characters.", "member")
    issued = int((now or datetime.now(UTC)).timestamp())
    claims = {"aud": program.key, "sub": external_id, "iat": issued, "exp": issued + minutes * 60}
    return jwt.encode({"alg": _ALGORITHM}, claims, OctKey.import_key(program.token_secret), algorithms=[_ALGORITHM])


def program_key(token: str) -> str | None:
    """The key of the program that a token names, before anything about it is known; None for what is no token of ours."""
    try:
        return msgspec.json.decode(extract_compact(token.encode()).payload, type=_Written).aud
    except (JoseError, msgspec.DecodeError, ValueError, TypeError):
        return None


def verify(program: Program, token: str, now: datetime) -> Claims:
    """What a token says. Raises `Unauthenticated` for one that is forged, over, not begun, or allowed to live too long."""
    try:
        decoded = jwt.decode(token, OctKey.import_key(program.token_secret), algorithms=[_ALGORITHM])
        claims = msgspec.convert(decoded.claims, _Written)
        issued, ends = _instant(claims.iat), _instant(claims.exp)
        begins = max(issued, _instant(claims.nbf))
    except (JoseError, msgspec.ValidationError, ValueError, TypeError, OverflowError, OSError) as error:
        # Also what the library raises for headers of the wrong type, before it looks at the signature.
        raise Unauthenticated("This token was not signed for this program.") from error
    if claims.aud != program.key or not 1 <= len(claims.sub) <= _MEMBER_ID_CHARACTERS_MAX:
        raise Unauthenticated("This token was not signed for this program.")
    if ends - issued > timedelta(minutes=LIFE_MINUTES_MAX):
        raise Unauthenticated(f"A token lives at most {LIFE_MINUTES_MAX} minutes.")
    if now >= ends + LEEWAY or now < begins - LEEWAY:
        raise Unauthenticated("This token has expired, or is not valid yet.")
    return Claims(claims.sub, ends + LEEWAY)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
