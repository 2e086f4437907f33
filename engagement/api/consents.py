"""What members agreed to."""

from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import consents
from engagement.actions.consents import SAID_MAX, SetConsent
from engagement.api.principals import EVENTS_WRITE_OR_OWN, MEMBERS_READ_OR_OWN, Info, member_of, mutation, query
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER
from engagement.records import consents as records
from engagement.records.consents import Consent as Said

_PURPOSE = "The key of the purpose."


@strawberry.enum(description="Who told us of a consent.")
class ConsentToldBy(Enum):
    """Two ways."""

    MEMBER = strawberry.enum_value("member", description="The member herself, with her token.")
    SERVER = strawberry.enum_value("server", description="A server of yours, with a key.")


@strawberry.type(description="What a member said of a purpose.")
class Consent:
    """One word of hers; the last of a purpose holds."""

    purpose: str = strawberry.field(description=_PURPOSE)
    given: bool = strawberry.field(description="Whether she agrees.")
    version: int = strawberry.field(
        description="The version of the purpose that she was asked in; `definitions` has them."
    )
    source: str = strawberry.field(description="Where she said so, in the app's words; may be empty.")
    told_by: ConsentToldBy = strawberry.field(description="Who told us.")
    at: DateTime = strawberry.field(description="When, by the program's clock.")

    @classmethod
    def of(cls, said: Said) -> "Consent":
        """As clients read it."""
        return cls(
            purpose=said.purpose,
            given=said.given,
            version=said.version,
            source=said.source,
            told_by=ConsentToldBy(said.told_by),
            at=written(said.at),
        )


@strawberry.input(description="What a member says of a purpose.")
class SetConsentInput:
    """Who agrees to what, or does not."""

    member: strawberry.ID | None = strawberry.field(
        default=None,
        description=f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out.",
    )
    purpose: str = strawberry.field(description=_PURPOSE)
    given: bool = strawberry.field(description="Whether she agrees; false also takes back what she gave.")
    source: str = strawberry.field(
        default="", description="Where she said so, like the name of a form and its version; at most 200 characters."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="What holds for the purpose now.")
class SetConsentSuccess:
    """What became of it."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    consent: Consent = strawberry.field(description="Her word that holds.")
    changed: bool = strawberry.field(description="False where she had said the same, of the same words.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")


SetConsentResult: TypeAlias = Annotated[
    SetConsentSuccess
    | NotFoundError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("SetConsentResult", description="What became of what a member says of a purpose."),
]


@strawberry.type
class ConsentsQuery:
    """The field of the root about consent."""

    @query(
        "What a member agreed to: for each purpose her word that holds, or all she ever said of one, the latest first. Empty of whom"
        " nothing is known.",
        MEMBERS_READ_OR_OWN,
    )
    async def consents(
        self,
        info: Info,
        member: Annotated[
            strawberry.ID | None, strawberry.argument(description=f"{MEMBER} A member's own token may leave it out.")
        ] = None,
        purpose: Annotated[
            str | None, strawberry.argument(description="All that she said of this one, up to 1,000 words.")
        ] = None,
    ) -> list[Consent]:
        """Her words."""
        principal = info.context.principal
        who = member_of(principal, member)
        if "\0" in who or "\0" in (purpose or ""):
            return []
        found = await resources_of(info).read(principal, lambda unit: records.of_member(unit, who, purpose, SAID_MAX))
        return [Consent.of(each) for each in found]


@strawberry.type
class ConsentsMutation:
    """The mutation about consent."""

    @mutation(
        "Note that a member agrees to a purpose, in the words that the program has for it now, or that she does not. Nothing that is counted"
        " rests on it.",
        EVENTS_WRITE_OR_OWN,
    )
    async def set_consent(
        self,
        info: Info,
        given: Annotated[
            SetConsentInput, strawberry.argument(name="input", description="Who agrees to what, or does not.")
        ],
    ) -> SetConsentResult:
        """Keep it, beside all that was said before."""
        principal, resources = info.context.principal, resources_of(info)
        command = SetConsent(member_of(principal, given.member), given.purpose, given.given, given.source)
        done = await consents.set_consent(
            resources.database,
            resources.programs,
            principal.program,
            command,
            "server" if principal.is_server else "member",
            principal=principal.name,
            key=given.idempotency_key,
        )
        return SetConsentSuccess(
            member=strawberry.ID(done.member),
            consent=Consent.of(done.consent),
            changed=done.changed,
            replayed=done.replayed,
        )
