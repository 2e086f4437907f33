"""Granting tiers: a fact in the order of what happened, until it ends."""

from typing import Any

import pytest

from achievements.outcomes import TierChanged
from achievements.parts import REWARD_DAYS_MAX
from achievements.periods import rfc3339
from engagement.actions import tiers
from engagement.actions.programs import Sandbox
from engagement.actions.tiers import GrantTier, TierGranted
from engagement.errors import IdempotencyKeyReused, InvalidInput, NotFound
from engagement.records.unit import Database
from tests.achievements.programs import BEGIN, TIERS, document
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies

EARN = {"key": "base", "on": "purchase", "earn": {"fixed": 120}}
LADDER = {"key": "club", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS}
PAUSED = {**LADDER, "key": "paused", "status": "paused"}


@pytest.fixture
async def club(records: Database) -> House:
    """A sandbox with a ladder, and one that is paused."""
    house = House(records)
    await house.apply(document(earn_rules=[EARN], tier_ladders=[LADDER, PAUSED]), Sandbox(BEGIN))
    return house


async def grant(
    house: House, tier: str = "gold", days: int | None = 2, key: str | None = None, **more: Any
) -> TierGranted:
    command = GrantTier(**{"member": "ann", "ladder": "club", "tier": tier, "days": days, **more})
    return await tiers.grant_tier(house.database, house.cache, house.program, command, principal="shop", key=key)


async def changes(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(
        "SELECT tier_from, tier_to, changed_at FROM tier_change WHERE program_id = $1 ORDER BY changed_at"
    )


async def test_a_granted_tier_is_held_until_it_ends(club: House) -> None:
    await club.send(purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    granted = await grant(club, key="k")
    until = rfc3339("2017-03-04T05:00:00Z")
    assert (granted.until, granted.held, granted.replayed) == (until, "gold", False)
    assert [(each.tier_from, each.tier_to) for each in granted.effects if isinstance(each, TierChanged)] == [
        ("silver", "gold")
    ]
    assert (await grant(club, key="k")).replayed
    with pytest.raises(IdempotencyKeyReused):
        await grant(club, "silver", key="k")
    assert (await grant(club, "silver", days=None)).effects == ()
    await club.advance("2017-03-20T10:00:00Z")
    assert await changes(club) == [
        ("bronze", "silver", rfc3339("2017-03-01T10:00:00Z")),
        ("silver", "gold", rfc3339("2017-03-01T10:00:00Z")),
        ("gold", "silver", until),
    ]
    assert await discrepancies(club) == []


async def test_what_comes_late_is_earned_beneath_a_grant(club: House) -> None:
    await club.send(purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    await grant(club)
    await club.send(purchase("p4", "ann", "2017-03-04T10:00:00Z"))
    await club.send(purchase("p0", "ann", "2017-02-28T10:00:00Z"))
    await club.advance("2017-03-20T10:00:00Z")
    # Silver by what came late, gold by the grant; after it gold once more, by three purchases within five days.
    assert [(was[0], now[0], f"{at:%m-%d %H}") for was, now, at in await changes(club)] == [
        ("b", "s", "02-28 10"),
        ("s", "g", "03-01 10"),
        ("g", "s", "03-04 05"),
        ("s", "g", "03-04 10"),
        ("g", "s", "03-05 05"),
        ("s", "b", "03-09 05"),
    ]
    assert await discrepancies(club) == []


async def test_what_cannot_be_granted_is_refused(club: House) -> None:
    for more, field in (
        ({"tier": "platinum"}, "tier"),
        ({"tier": "bronze"}, "tier"),
        ({"days": 0}, "days"),
        ({"days": REWARD_DAYS_MAX + 1}, "days"),
        ({"member": ""}, "member"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await grant(club, **more)
        assert refused.value.field == field
    for ladder in ("none", "paused"):
        with pytest.raises(NotFound):
            await grant(club, ladder=ladder)
    assert (await grant(club, "silver", None, member="zoe")).held == "silver"
