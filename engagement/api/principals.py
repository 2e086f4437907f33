"""Who calls, and what each field of the root asks of them: the one place where access is decided.

Every field of the root names an `Access`, and its guard runs before its resolver. A field without one stops the schema from
being built. The guard decides by kind and scope; that the data is of the caller's program is seen to by the unit, which
shows no other, and that a member reads her own by `member_of`.
"""

import hashlib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import strawberry
from strawberry.extensions import FieldExtension

from engagement.actions import tokens
from engagement.api.context import Context
from engagement.errors import Forbidden, InvalidInput, Unauthenticated
from engagement.records import credentials, erasures, programs
from engagement.records.credentials import Credential
from engagement.records.unit import ALL, Database, Unit

SCOPES: Final = frozenset(
    {
        *("events:write", "members:read", "members:write", "boards:read", "programs:write", "clock:write"),
        *("points:write", "rewards:write", "ledger:read"),
    }
)
"""What a key may be allowed; an operator's key is allowed all of it in the program that it names."""

CACHE_SECONDS: Final = 5.0
"""How long a revoked key may still be taken for good."""
CACHE_ENTRIES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `name` is stable, for idempotency keys; `member` is the app's own id, of whoever holds a member's token.

    `program_id` is the program that the caller works in: None for an operator who names none that exists.
    """

    kind: Literal["anonymous", "operator", "key", "member"]
    name: str = ""
    program_id: int | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    member: str | None = None
    expires_at: datetime | None = None

    @property
    def is_server(self) -> bool:
        """Whether the wider limits of a server hold."""
        return self.kind in ("operator", "key")

    @property
    def program(self) -> int:
        """The program, of a caller whom the guard has let in."""
        assert self.program_id is not None, "the guard asks for a program first"
        return self.program_id


Info = strawberry.Info[Context[Principal], None]
"""What a resolver is given."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a field: keys with a scope (or any key, where None), members with a token, or both."""

    told: str
    scope: str | None = None
    keys: bool = True
    members: bool = False
    in_program: bool = True


ANY_CREDENTIAL: Final = Access("Needs any credential of the program.", members=True)
OWN_TOKEN: Final = Access("Needs a member's token.", keys=False, members=True)
MEMBERS_READ: Final = Access("Needs scope `members:read`.", "members:read")
MEMBERS_READ_OR_OWN: Final = Access(
    "Needs scope `members:read`, or a member's token for her own data.", "members:read", members=True
)
BOARDS_READ: Final = Access("Needs scope `boards:read`, or a member's token.", "boards:read", members=True)
EVENTS_WRITE: Final = Access("Needs scope `events:write`.", "events:write")
EVENTS_WRITE_OR_OWN: Final = Access(
    "Needs scope `events:write`, or a member's token for herself.", "events:write", members=True
)
MEMBERS_WRITE: Final = Access("Needs scope `members:write`.", "members:write")
POINTS_WRITE: Final = Access("Needs scope `points:write`.", "points:write")
POINTS_WRITE_OR_OWN: Final = Access(
    "Needs scope `points:write`, or a member's token for herself.", "points:write", members=True
)
REWARDS_WRITE: Final = Access("Needs scope `rewards:write`.", "rewards:write")
REWARDS_WRITE_OR_OWN: Final = Access(
    "Needs scope `rewards:write`, or a member's token for herself.", "rewards:write", members=True
)
LEDGER_READ: Final = Access("Needs scope `ledger:read`.", "ledger:read")
PROGRAMS_WRITE: Final = Access(
    "Needs scope `programs:write`; an operator's key makes new programs too.", "programs:write", in_program=False
)
DEFINITIONS: Final = Access("Needs scope `programs:write`.", "programs:write")
CLOCK_WRITE: Final = Access("Needs scope `clock:write`.", "clock:write")


class Guard(FieldExtension):
    """Asks before the resolver runs; also before a subscription begins."""

    def __init__(self, access: Access) -> None:
        self.access = access

    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        """Let the caller in, or raise `Unauthenticated` or `Forbidden`."""
        admit(info.context.principal, self.access)
        result = next_(source, info, **kwargs)
        return await result if inspect.isawaitable(result) else result


_Resolver = Callable[..., Any]


def query(description: str, access: Access) -> Callable[[_Resolver], Any]:
    """Declare a field of the root `Query`."""
    declare: Callable[[_Resolver], Any] = strawberry.field(
        description=f"{description} {access.told}", extensions=[Guard(access)]
    )
    return declare


def mutation(description: str, access: Access) -> Callable[[_Resolver], Any]:
    """Declare a field of the root `Mutation`."""
    declare: Callable[[_Resolver], Any] = strawberry.mutation(
        description=f"{description} {access.told}", extensions=[Guard(access)]
    )
    return declare


def subscription(description: str, access: Access) -> Callable[[_Resolver], Any]:
    """Declare a field of the root `Subscription`."""
    declare: Callable[[_Resolver], Any] = strawberry.subscription(
        description=f"{description} {access.told}", extensions=[Guard(access)]
    )
    return declare


def admit(principal: Principal, access: Access) -> None:
    """Let a caller use a field. Raises `Unauthenticated` and `Forbidden`."""
    if principal.kind == "anonymous":
        raise Unauthenticated(f"Send a credential as `Authorization: Bearer …`. {access.told}")
    still_valid(principal)
    if principal.kind == "member":
        if not access.members:
            raise Forbidden(f"A member's token is not enough. {access.told}")
    elif not access.keys or (access.scope is not None and access.scope not in principal.scopes):
        raise Forbidden(f"This key may not do that. {access.told}")
    if access.in_program and principal.program_id is None:
        raise Forbidden("Say in the header `Engagement-Program` which existing program is meant.")


def still_valid(principal: Principal) -> None:
    """Raise `Unauthenticated` where the credential has expired."""
    if principal.expires_at is not None and datetime.now(UTC) >= principal.expires_at:
        raise Unauthenticated("The credential has expired.")


def member_of(principal: Principal, named: str | None) -> str:
    """Whose data a field shows: a member's own, or whom a key names. Raises `Forbidden` and `InvalidInput`."""
    if principal.member is None:
        if named is None:
            raise InvalidInput("Say which member: a key has none of its own.", "member")
        return named
    if named not in (None, principal.member):
        raise Forbidden("A member's token shows her own data alone.", "member")
    return principal.member


class Authentication:
    """Knows callers by their bearer tokens. What it has found good it believes for a few seconds without looking."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[bytes, str | None], tuple[float, Principal]] = {}
        self._programs: dict[str, tuple[float, programs.Program]] = {}

    async def __call__(self, token: str | None, program: str | None) -> Principal:
        """The caller behind a token; anonymous without one. Raises `Unauthenticated`, and `Unavailable` when it cannot tell."""
        if token is None:
            return Principal("anonymous")
        name = (hashlib.sha256(token.encode(errors="surrogatepass")).digest(), program)
        until, known = self._known.get(name, (0.0, None))
        if known is not None and time.monotonic() < until:
            still_valid(known)
            return known
        found = await (self._key(token, program) if token.startswith("ek_") else self._member(token))
        # An operator's program may come to be within the next seconds.
        if found.program_id is not None:
            if len(self._known) >= CACHE_ENTRIES_MAX:
                self._known.clear()
            self._known[name] = (time.monotonic() + CACHE_SECONDS, found)
        return found

    async def _key(self, token: str, program: str | None) -> Principal:
        async def look(unit: Unit) -> tuple[Credential | None, programs.Program | None]:
            found = await credentials.find(unit, token)
            if found is None or found.program_id is not None or program is None or "\0" in program:
                return found, None
            return found, await programs.find(unit, program)

        credential, named = await self._database.run(look, ALL, read_only=True)
        if credential is None:
            raise Unauthenticated("This key is unknown or was revoked.")
        name = f"key:{credential.id}"
        if credential.program_id is not None:
            return Principal("key", name, credential.program_id, credential.scopes)
        return Principal("operator", name, None if named is None else named.id, SCOPES)

    async def _member(self, token: str) -> Principal:
        program = await self._program_of(token)
        if program is None:
            raise Unauthenticated("This is neither a key nor a member's token of a program here.")
        claims = tokens.verify(program, token, datetime.now(UTC))
        gone = await self._database.run(
            lambda unit: erasures.erased_among(unit, [claims.external_id]), program.id, read_only=True
        )
        if gone:
            raise Unauthenticated("The member of this token was erased.")
        return Principal(
            "member",
            f"member:{claims.external_id}",
            program.id,
            member=claims.external_id,
            expires_at=claims.expires_at,
        )

    async def _program_of(self, token: str) -> programs.Program | None:
        key = tokens.program_key(token)
        if key is None or "\0" in key:
            return None
        until, known = self._programs.get(key, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        found = await self._database.run(lambda unit: programs.find(unit, key), ALL, read_only=True)
        if found is not None:
            self._programs[key] = (time.monotonic() + CACHE_SECONDS, found)
        return found
