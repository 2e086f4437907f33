"""Granting a member a tier of a ladder beside what she earns, selling her one, and taking back what was granted.

Each is a fact from the program's present on; a fee is paid in the same unit.
"""

from datetime import datetime

import msgspec

from achievements.fees import Unsold
from achievements.outcomes import Effect
from achievements.parts import REWARD_DAYS_MAX
from achievements.tiers import TIER_BOUGHT, TIER_GRANTED, TIER_REVOKED, LadderReady
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener, check_member, listen
from engagement.errors import InvalidInput, NotFound, TierRefused
from engagement.records.unit import Database, Unit


class GrantTier(msgspec.Struct, frozen=True):
    """Whom (the app's own id), which tier of which ladder, and for how many days of the program; None for good."""

    member: str
    ladder: str
    tier: str
    days: int | None = None


class BuyTier(msgspec.Struct, frozen=True):
    """Who (the app's own id) buys which tier of which ladder."""

    member: str
    ladder: str
    tier: str


class RevokeTier(msgspec.Struct, frozen=True):
    """From whom (the app's own id) what was granted of which tier of which ladder is taken back."""

    member: str
    ladder: str
    tier: str


class TierGranted(msgspec.Struct, frozen=True):
    """That a tier was granted or bought at `at` up to `until` (None: for good), and which tier of the ladder she holds then."""

    member: str
    ladder: str
    tier: str
    at: datetime
    until: datetime | None
    held: str
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


class TierRevoked(msgspec.Struct, frozen=True):
    """That what was granted of a tier was taken back at `at`, and which tier of the ladder she holds then."""

    member: str
    ladder: str
    tier: str
    at: datetime
    held: str
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def grant_tier(
    database: Database, programs: Programs, program_id: int, command: GrantTier, *, principal: str, key: str | None
) -> TierGranted:
    """Let a member hold a tier, unless she holds a higher one, from the program's present on, up to the end of the last day.

    One of whom nothing was heard yet is made known by it. Raises `NotFound` where no such ladder is in force, `InvalidInput`
    for what is no member's id, no tier that could be granted and no number of days; and what `Database.perform` raises.
    """
    check_member(command.member)
    if command.days is not None and not 1 <= command.days <= REWARD_DAYS_MAX:
        raise InvalidInput(f"A tier is granted for 1 to {REWARD_DAYS_MAX} days, or for good.", "days")
    done, replayed = await database.perform(
        lambda unit: _grant(unit, programs, command),
        program_id,
        principal=principal,
        operation="grantTier",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(TierGranted).decode,
    )
    answer: TierGranted = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def buy_tier(
    database: Database, programs: Programs, program_id: int, command: BuyTier, *, principal: str, key: str | None
) -> TierGranted:
    """Let a member pay a tier's fee and hold it, unless she holds a higher one, from the program's present on, for the days of the fee;
    where she was granted one as high already, up to so many days after its end.

    Raises `NotFound` where no such ladder is in force for her, `TierRefused` where the tier is not for sale or she would hold it no
    longer, `NotEnoughPoints` for a fee that her balance does not allow, `InvalidInput` for what is no member's id or no tier; and
    what `Database.perform` raises.
    """
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _buy(unit, programs, command),
        program_id,
        principal=principal,
        operation="buyTier",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(TierGranted).decode,
    )
    answer: TierGranted = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def revoke_tier(
    database: Database, programs: Programs, program_id: int, command: RevokeTier, *, principal: str, key: str | None
) -> TierRevoked:
    """Take back whatever was granted of a tier, by whom and for what ever, at the program's present.

    What she earned, and what was granted of other tiers, stands, and a fee is not given back. Raises `NotFound` where no such
    ladder is in force, or nothing of the tier is granted; `InvalidInput` for what is no member's id, and no tier that could be
    granted; and what `Database.perform` raises.
    """
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _revoke(unit, programs, command),
        program_id,
        principal=principal,
        operation="revokeTier",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(TierRevoked).decode,
    )
    answer: TierRevoked = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def _grant(unit: Unit, programs: Programs, command: GrantTier) -> TierGranted:
    listener = await listen(unit, programs, command.member)
    ladder = _ladder(listener, command)
    days = command.days or 0
    effects = await listener.tell(TIER_GRANTED, {"ladder": ladder.key, "tier": command.tier, "days": days})
    await listener.save()
    held = ladder.tier(listener.state.parts.get(ladder.name))
    until = ladder.ends(listener.at, days)
    return TierGranted(command.member, ladder.key, command.tier, listener.at, until, held, effects)


async def _buy(unit: Unit, programs: Programs, command: BuyTier) -> TierGranted:
    listener = await listen(unit, programs, command.member, pays=True)
    await listener.arrive()
    ladder = _ladder(listener, command)
    rules, state = listener.loaded.rulebook.at(listener.at), listener.state
    if rules is None or not (rules.judges(ladder.name, state) and rules.reaches(ladder.name, state, listener.at)):
        raise NotFound(f"The tier ladder `{ladder.key}` is not for this member.", "ladder")
    sale = ladder.sale(state.parts.get(ladder.name), command.tier, listener.at)
    if isinstance(sale, Unsold):
        raise TierRefused(sale, _unsold(command, sale), "tier")
    fee, until = sale
    data = {"ladder": ladder.key, "tier": command.tier, "until": until.isoformat()}
    effects = await listener.tell(TIER_BOUGHT, data, price=fee.price, source=ladder.key)
    await listener.save()
    held = ladder.tier(listener.state.parts.get(ladder.name))
    return TierGranted(command.member, ladder.key, command.tier, listener.at, until, held, effects)


async def _revoke(unit: Unit, programs: Programs, command: RevokeTier) -> TierRevoked:
    listener = await listen(unit, programs, command.member)
    await listener.arrive()
    ladder = _ladder(listener, command)
    if not ladder.granted(listener.state.parts.get(ladder.name), command.tier, listener.at):
        raise NotFound("The member holds no grant of this tier.", "tier")
    effects = await listener.tell(TIER_REVOKED, {"ladder": ladder.key, "tier": command.tier})
    await listener.save()
    held = ladder.tier(listener.state.parts.get(ladder.name))
    return TierRevoked(command.member, ladder.key, command.tier, listener.at, held, effects)


def _unsold(command: BuyTier, unsold: Unsold) -> str:
    if unsold is Unsold.NOT_FOR_SALE:
        return f"The tier `{command.tier}` has no fee: it is earned, or granted."
    return f"The member holds a tier as high as `{command.tier}` already, for as long as one can be bought now."


def _ladder(listener: Listener, command: GrantTier | BuyTier | RevokeTier) -> LadderReady:
    """The ladder that is meant, where it is in force and has the tier."""
    rules, name = listener.loaded.rulebook.at(listener.at), f"tier_ladders/{command.ladder}"
    hearing = {} if rules is None else dict(rules.by_fact.get(TIER_GRANTED, ()))
    found = None if rules is None else rules.by_name.get(name)
    if rules is None or name not in hearing or not isinstance(found, LadderReady):
        raise NotFound("No tier ladder of that key is in force.", "ladder")
    if isinstance(command, GrantTier) and rules.withholds(name, listener.state):
        said = f"The member is in the control group of the ladder `{found.key}`, and is granted no tier of it."
        raise InvalidInput(said, "member")
    if command.tier not in found.keys[1:]:
        there = ", ".join(found.keys[1:])
        raise InvalidInput(f"The tiers of `{found.key}` that can be granted are: {there}.", "tier")
    return found
