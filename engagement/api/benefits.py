"""Vouchers, entitlements and entries in draws: what members have of them, and what a shop does with them at the counter."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import benefits, screens, shelf
from engagement.actions.benefits import BenefitUsed, ImportCodes, UseCode, UseEntitlement
from engagement.api.asides import aside_of, names_of
from engagement.api.effects import Effect, shown
from engagement.api.pagination import BenefitsCursor, InvalidCursor, PageInfo, cursor_of, page_size, place_of
from engagement.api.principals import (
    MEMBERS_READ_OR_OWN,
    REWARDS_WRITE,
    Info,
    member_of,
    mutation,
    query,
)
from engagement.api.redeemed import Benefit, Names
from engagement.api.refusals import (
    BenefitRefusedError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written_or_none
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER
from engagement.records import benefits as records
from engagement.records.unit import Unit

_CODE = "The code, as the customer shows it."
_ENTITLEMENT = "The key of the entitlement."


@strawberry.type(description="A benefit on a page.")
class BenefitEdge:
    """Relay's edge."""

    node: Benefit = strawberry.field(description="The benefit.")
    cursor: str = strawberry.field(description="Points to its place, for `after`.")


@strawberry.type(description="A page of what a member has and had, newest first.")
class BenefitConnection:
    """Relay's connection."""

    edges: list[BenefitEdge] = strawberry.field(description="The benefits on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.type(description="What a code is worth at the program's present.")
class CodeStanding:
    """Whether a shop should take it."""

    valid: bool = strawberry.field(description="Whether it can be used now.")
    member: strawberry.ID | None = strawberry.field(
        description=f"{MEMBER} Null for a code that was handed out to nobody."
    )
    benefit: Benefit | None = strawberry.field(description="The voucher that it is of; null with the member.")


@strawberry.type(description="Whether a member has an entitlement at the program's present.")
class EntitlementStanding:
    """What she may."""

    entitled: bool = strawberry.field(description="Whether she has it and can use it now.")
    count: int = strawberry.field(description="How many of it she has.")
    until: DateTime | None = strawberry.field(
        description="When the last of them ends; null where one does not, or she has none."
    )


@strawberry.input(description="A code that is used.")
class UseCodeInput:
    """Which."""

    code: str = strawberry.field(description=_CODE)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="An entitlement of a member that is used up.")
class UseEntitlementInput:
    """Whose, and which."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    entitlement: str = strawberry.field(description=_ENTITLEMENT)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="What was used, whose it was, and what that changed for her.")
class BenefitUsedSuccess:
    """What was done."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    benefit: Benefit = strawberry.field(description="What was used.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What was told to the member.")


@strawberry.input(description="Codes for the pool of a voucher.")
class ImportCodesInput:
    """Which, and into which pool."""

    voucher: str = strawberry.field(description="The key of a voucher with `codes: pool`.")
    codes: list[str] = strawberry.field(
        description=f"1 to {benefits.CODES_MAX:,} codes, each of 1 to {benefits.CODE_CHARACTERS_MAX} printable characters without"
        " spaces around it."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="The codes are in the pool.")
class ImportCodesSuccess:
    """What was done."""

    imported: int = strawberry.field(description="How many were brought in.")
    duplicates: list[str] = strawberry.field(
        description="Those that were not, because the program had them already, in whichever pool, or they stand here twice."
    )
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")


UseCodeResult: TypeAlias = Annotated[
    BenefitUsedSuccess
    | BenefitRefusedError
    | InvalidInputError
    | NotFoundError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("UseCodeResult", description="What became of using a code."),
]
UseEntitlementResult: TypeAlias = Annotated[
    BenefitUsedSuccess
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("UseEntitlementResult", description="What became of using an entitlement up."),
]
ImportCodesResult: TypeAlias = Annotated[
    ImportCodesSuccess | InvalidInputError | NotFoundError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("ImportCodesResult", description="What became of bringing codes in."),
]


@strawberry.type
class BenefitsQuery:
    """The fields of the root about benefits."""

    @query(
        "What a member has and had of the shop, newest first: vouchers with their codes, entitlements, entries in draws; what she redeemed and"
        " what definitions gave her. A key says which member; a member's token shows her own.",
        MEMBERS_READ_OR_OWN,
    )
    async def benefits(
        self,
        info: Info,
        member: Annotated[strawberry.ID | None, strawberry.argument(description=MEMBER)] = None,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> BenefitConnection:
        """A page, stable while benefits are added."""
        principal, resources = info.context.principal, resources_of(info)
        external_id, size = member_of(principal, member), page_size(first, 20)
        place = None if after is None else place_of(after)
        if not isinstance(place, BenefitsCursor | None):
            raise InvalidCursor("This cursor points into another list.", "after")

        async def work(unit: Unit) -> tuple[Names, list[records.Benefit]]:
            whose = await screens.found(unit, external_id)
            loaded = await resources.programs.load(unit)
            before = None if place is None else (place.at, place.benefit)
            had = await records.page(unit, whose.id, before, size + 1)
            return shelf.names_of(loaded.rulebook.latest), [each.as_of(loaded.now) for each in had]

        names, found = await resources.read(principal, work)
        edges = [
            BenefitEdge(node=Benefit.of(each, names), cursor=cursor_of(BenefitsCursor(each.issued_at, each.id)))
            for each in found[:size]
        ]
        cursors = [each.cursor for each in edges]
        return BenefitConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=len(found) > size))

    @query("What a code is worth now; looking at it changes nothing.", REWARDS_WRITE)
    async def validate_code(
        self, info: Info, code: Annotated[str, strawberry.argument(description=_CODE)]
    ) -> CodeStanding:
        """For the counter."""
        resources = resources_of(info)
        found = await resources.read(
            info.context.principal, lambda unit: benefits.validate_code(unit, resources.programs, code)
        )
        if found is None:
            return CodeStanding(valid=False, member=None, benefit=None)
        benefit = Benefit.of(found.benefit, await names_of(info))
        return CodeStanding(valid=found.usable, member=strawberry.ID(found.member), benefit=benefit)

    @query(
        "Whether a member has an entitlement now. A key says which member; a member's token shows her own.",
        MEMBERS_READ_OR_OWN,
    )
    async def has_entitlement(
        self,
        info: Info,
        entitlement: Annotated[str, strawberry.argument(description=_ENTITLEMENT)],
        member: Annotated[strawberry.ID | None, strawberry.argument(description=MEMBER)] = None,
    ) -> EntitlementStanding:
        """For the door."""
        principal, resources = info.context.principal, resources_of(info)
        external_id = member_of(principal, member)
        held = await resources.read(
            principal, lambda unit: benefits.entitled(unit, resources.programs, external_id, entitlement)
        )
        return EntitlementStanding(
            entitled=bool(held), count=len(held), until=written_or_none(held[-1].until) if held else None
        )


@strawberry.type
class BenefitsMutation:
    """The mutations about benefits."""

    @mutation("Use a code: it is burned, once and for good.", REWARDS_WRITE)
    async def use_code(
        self,
        info: Info,
        given: Annotated[UseCodeInput, strawberry.argument(name="input", description="Which code.")],
    ) -> UseCodeResult:
        """Burn it."""
        principal, resources = info.context.principal, resources_of(info)
        done = await benefits.use_code(
            resources.database,
            resources.programs,
            principal.program,
            UseCode(given.code),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)

    @mutation(
        "Use up one entitlement of a member, the one that ends first. One that is only shown, like a pass, is asked for by"
        " `hasEntitlement` instead.",
        REWARDS_WRITE,
    )
    async def use_entitlement(
        self,
        info: Info,
        given: Annotated[UseEntitlementInput, strawberry.argument(name="input", description="Whose, and which.")],
    ) -> UseEntitlementResult:
        """Burn it."""
        principal, resources = info.context.principal, resources_of(info)
        done = await benefits.use_entitlement(
            resources.database,
            resources.programs,
            principal.program,
            UseEntitlement(given.member, given.entitlement),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)

    @mutation(
        "Bring codes into the pool of a voucher. Each is handed out once; to whom one is owed gets it first.",
        REWARDS_WRITE,
    )
    async def import_codes(
        self,
        info: Info,
        given: Annotated[ImportCodesInput, strawberry.argument(name="input", description="Which codes.")],
    ) -> ImportCodesResult:
        """Keep them."""
        principal, resources = info.context.principal, resources_of(info)
        done = await benefits.import_codes(
            resources.database,
            resources.programs,
            principal.program,
            ImportCodes(given.voucher, tuple(given.codes)),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return ImportCodesSuccess(imported=done.imported, duplicates=list(done.duplicates), replayed=done.replayed)


async def _told(info: Info, done: BenefitUsed) -> BenefitUsedSuccess:
    await resources_of(info).drain.settled(info.context.principal.program)
    aside = await aside_of(info, [(done.member, done.effects)])
    return BenefitUsedSuccess(
        member=strawberry.ID(done.member),
        benefit=Benefit.of(done.benefit, await names_of(info)),
        replayed=done.replayed,
        effects=shown(done.effects, done.member, aside),
    )
