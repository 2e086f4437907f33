"""Granting a member a tier of a ladder, beside what she earns: a fact from the program's present on."""

from datetime import datetime

import msgspec

from achievements.outcomes import Effect
from achievements.parts import REWARD_DAYS_MAX
from achievements.tiers import TIER_GRANTED, LadderReady
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener, check_member, listen
from engagement.errors import InvalidInput, NotFound
from engagement.records.unit import Database, Unit


class GrantTier(msgspec.Struct, frozen=True):
    """Whom (the app's own id), which tier of which ladder, and for how many days of the program; None for good."""

    member: str
    ladder: str
    tier: str
    days: int | None = None


class TierGranted(msgspec.Struct, frozen=True):
    """That a tier was granted at `at` up to `until` (None: for good), and which tier of the ladder she holds then."""

    member: str
    ladder: str
    tier: str
    at: datetime
    until: datetime | None
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
    granted = (done.member, done.ladder, done.tier, done.at, done.until, done.held, done.effects)
    return TierGranted(*granted, replayed)


async def _grant(unit: Unit, programs: Programs, command: GrantTier) -> TierGranted:
    listener = await listen(unit, programs, command.member)
    ladder = _ladder(listener, command)
    days = command.days or 0
    effects = await listener.tell(TIER_GRANTED, {"ladder": ladder.key, "tier": command.tier, "days": days})
    await listener.save()
    held = ladder.tier(listener.state.parts.get(ladder.name))
    until = ladder.ends(listener.at, days)
    return TierGranted(command.member, ladder.key, command.tier, listener.at, until, held, effects)


def _ladder(listener: Listener, command: GrantTier) -> LadderReady:
    """The ladder that is meant, where it is in force and has the tier."""
    rules, name = listener.loaded.rulebook.at(listener.at), f"tier_ladders/{command.ladder}"
    hearing = {} if rules is None else dict(rules.by_fact.get(TIER_GRANTED, ()))
    found = None if rules is None else rules.by_name.get(name)
    if rules is None or name not in hearing or not isinstance(found, LadderReady):
        raise NotFound("No tier ladder of that key is in force.", "ladder")
    if rules.withholds(name, listener.state):
        said = f"The member is in the control group of the ladder `{found.key}`, and is granted no tier of it."
        raise InvalidInput(said, "member")
    if command.tier not in found.keys[1:]:
        there = ", ".join(found.keys[1:])
        raise InvalidInput(f"The tiers of `{found.key}` that can be granted are: {there}.", "tier")
    return found
