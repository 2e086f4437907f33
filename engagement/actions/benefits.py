"""What members have of the shop, at the counter: a code is looked at and burned, an entitlement asked for and used, codes brought in.

Whoever burns something holds its member's lock, so that it is burned once whatever else happens to her.
"""

import functools
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.benefits import Voucher
from achievements.outcomes import Effect
from engagement.actions import issuing, reserving
from engagement.actions.holds import Asked
from engagement.actions.programs import Programs
from engagement.actions.screens import found as member_found
from engagement.actions.telling import check_member, listen_to
from engagement.errors import Again, BenefitRefused, InvalidInput, MemberErased, NotFound
from engagement.records import benefits, codes, members
from engagement.records.benefits import Benefit
from engagement.records.unit import Database, Unit, Work

CODES_MAX = 1_000
"""In one batch."""
CODE_CHARACTERS_MAX = 200


class UseCode(msgspec.Struct, frozen=True):
    """Which code."""

    code: str


class UseEntitlement(msgspec.Struct, frozen=True):
    """Whose (the app's own id), and which."""

    member: str
    entitlement: str


class ImportCodes(msgspec.Struct, frozen=True):
    """Into the pool of which voucher, and which codes."""

    voucher: str
    codes: tuple[str, ...]


class BenefitUsed(msgspec.Struct, frozen=True):
    """Something of a member (the app's own id) that was used, and what was told of it."""

    member: str
    benefit: Benefit
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


class CodesImported(msgspec.Struct, frozen=True):
    """How many codes were brought in, and which were not because the program had them, or the batch twice."""

    imported: int
    duplicates: tuple[str, ...]
    replayed: bool = False


class CodeStanding(msgspec.Struct, frozen=True):
    """What a code is worth: whose it is (the app's own id) and what, and whether it can be used now."""

    member: str
    benefit: Benefit
    usable: bool


async def validate_code(unit: Unit, programs: Programs, code: str) -> CodeStanding | None:
    """What a code is worth at the program's present; None for one that was handed out to nobody."""
    benefit = await benefits.of_code(unit, codes.hash_of(code)) if _sound(code) else None
    if benefit is None:
        return None
    at = await _present(unit, programs, benefit.member_id)
    there = benefit.as_of(at)
    return CodeStanding(await reserving.name_of(unit, benefit.member_id), there, _usable(there, at))


async def entitled(unit: Unit, programs: Programs, member: str, entitlement: str) -> list[Benefit]:
    """The entitlements of a key that a member has and can use at the program's present, what ends first before what ends later.

    Raises `MemberNotFound`.
    """
    whose = await member_found(unit, member)
    at = await _present(unit, programs, whose.id)
    return await benefits.held(unit, whose.id, "entitlement", entitlement.replace("\0", " "), at)


async def _present(unit: Unit, programs: Programs, member_id: UUID) -> datetime:
    """The program's present, or where events ahead of it have brought a member."""
    held = (await members.states(unit, [member_id]))[member_id]
    return max((await programs.load(unit)).now, held.state.at)


async def use_code(
    database: Database, programs: Programs, program_id: int, command: UseCode, *, principal: str, key: str | None
) -> BenefitUsed:
    """Burn a code at the program's present: it is used once, also where its member was erased meanwhile. Raises `NotFound` for one that was
    handed out to nobody, `BenefitRefused` where it cannot be used now; and what `Database.perform` raises.
    """
    work = functools.partial(_use_code, programs=programs, command=command, by=principal)
    return await _perform(database, program_id, "useCode", command, work, Asked(principal, key))


async def use_entitlement(
    database: Database, programs: Programs, program_id: int, command: UseEntitlement, *, principal: str, key: str | None
) -> BenefitUsed:
    """Use up one entitlement of a member, the one that ends first. Raises `NotFound` where she is unknown or has none that she can use
    now; and what `Database.perform` raises.
    """
    check_member(command.member)
    work = functools.partial(_use_entitlement, programs=programs, command=command, by=principal)
    return await _perform(database, program_id, "useEntitlement", command, work, Asked(principal, key))


async def import_codes(
    database: Database, programs: Programs, program_id: int, command: ImportCodes, *, principal: str, key: str | None
) -> CodesImported:
    """Bring codes into the pool of a voucher. Raises `NotFound` where there is no such voucher, `InvalidInput` where it has no pool, and
    for what is no code; and what `Database.perform` raises.
    """
    if not 1 <= len(command.codes) <= CODES_MAX:
        raise InvalidInput(f"Bring 1 to {CODES_MAX:,} codes at a time.", "codes")
    for position, code in enumerate(command.codes):
        if not _sound(code):
            said = f"A code is 1 to {CODE_CHARACTERS_MAX} printable characters, without spaces around it."
            raise InvalidInput(said, f"codes[{position}]")
    done, replayed = await database.perform(
        lambda unit: _import(unit, programs, command),
        program_id,
        principal=principal,
        operation="importCodes",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(CodesImported).decode,
    )
    answer: CodesImported = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def _use_code(unit: Unit, programs: Programs, command: UseCode, by: str) -> BenefitUsed:
    known = codes.hash_of(command.code) if _sound(command.code) else b""
    found = await benefits.of_code(unit, known)
    if found is None:
        raise NotFound("No such code was handed out.", "code")
    try:
        listener = (await listen_to(unit, programs, [found.member_id]))[found.member_id]
    except MemberErased:
        # Whoever has a code of hers can use it still, and nobody is told.
        used = await _burn(unit, known, (await programs.load(unit, for_writing=True)).now, by)
        return BenefitUsed(await reserving.name_of(unit, used.member_id), used)
    await listener.arrive()
    used = await _burn(unit, known, listener.at, by)
    if used.member_id != listener.id:
        # Since it was looked up, a merge was undone.
        raise Again
    effects = (issuing.told(used, listener.at),)
    listener.show(effects)
    await listener.save()
    return BenefitUsed(await reserving.name_of(unit, listener.id), used, effects)


async def _burn(unit: Unit, known: bytes, at: datetime, by: str) -> Benefit:
    """Use up what was issued with the code of a hash, whose member is locked."""
    found = await benefits.of_code(unit, known, locked=True)
    assert found is not None, "benefits are never deleted"
    benefit = found.as_of(at)
    if not _usable(benefit, at):
        said = "It cannot be used yet." if benefit.state == benefits.ISSUED else f"The voucher is {benefit.state}."
        raise BenefitRefused(benefit.state, said, "code")
    await benefits.end(unit, [benefit.id], benefits.USED, at, by)
    return msgspec.structs.replace(benefit, state=benefits.USED, ended_at=at, used_by=by)


async def _use_entitlement(unit: Unit, programs: Programs, command: UseEntitlement, by: str) -> BenefitUsed:
    whose = await member_found(unit, command.member)
    listener = (await listen_to(unit, programs, [whose.id]))[whose.id]
    await listener.arrive()
    named = command.entitlement.replace("\0", " ")
    held = await benefits.held(unit, whose.id, "entitlement", named, listener.at, locked=True)
    if not held:
        raise NotFound("The member has no such entitlement that she can use now.", "entitlement")
    await benefits.end(unit, [held[0].id], benefits.USED, listener.at, by)
    effects = (issuing.told(held[0], listener.at, benefits.USED),)
    listener.show(effects)
    await listener.save()
    used = msgspec.structs.replace(held[0], state=benefits.USED, ended_at=listener.at, used_by=by)
    return BenefitUsed(command.member, used, effects)


async def _import(unit: Unit, programs: Programs, command: ImportCodes) -> CodesImported:
    loaded = await programs.load(unit, for_writing=True)
    known = loaded.rulebook.latest.program.sections.get("vouchers", ())
    voucher = next((each for each in known if each.key == command.voucher), None)
    if not isinstance(voucher, Voucher):
        raise NotFound("No voucher of that key.", "voucher")
    if voucher.codes != "pool":
        raise InvalidInput(
            "Codes of this voucher are generated; write `codes: pool` in it to bring your own.", "voucher"
        )
    brought = await codes.bring_in(unit, voucher.key, list(dict.fromkeys(command.codes)), loaded.now)
    await benefits.provide(unit, voucher.key, loaded.now)
    new = set(brought)
    return CodesImported(len(brought), tuple(_beside(command.codes, new)))


def _beside(given: Sequence[str], new: set[str]) -> list[str]:
    """What of some codes is not new, or was new before in the same batch."""
    left, beside = set(new), []
    for each in given:
        if each in left:
            left.remove(each)
        else:
            beside.append(each)
    return beside


def _usable(benefit: Benefit, at: datetime) -> bool:
    return benefit.state == benefits.ISSUED and benefit.since <= at


def _sound(code: str) -> bool:
    return 1 <= len(code) <= CODE_CHARACTERS_MAX and code.isprintable() and code.strip() == code


async def _perform(
    database: Database,
    program_id: int,
    operation: str,
    command: UseCode | UseEntitlement,
    work: Work[BenefitUsed],
    asked: Asked,
) -> BenefitUsed:
    done, replayed = await database.perform(
        work,
        program_id,
        principal=asked.principal,
        operation=operation,
        key=asked.key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(BenefitUsed).decode,
    )
    answer: BenefitUsed = msgspec.structs.replace(done, replayed=replayed)
    return answer
