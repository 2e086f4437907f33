"""Buying freezes and restoring streaks: facts in the order of what happened, paid for or not told at all."""

import asyncio
from typing import Any

import pytest

from achievements.outcomes import PointsEarned, PointsSpent, StreakChanged
from achievements.saving import Refused
from engagement.actions import screens, streaks
from engagement.actions.programs import Sandbox
from engagement.actions.screens import StreakShown
from engagement.actions.streaks import BuyFreeze, FreezeBought, RestoreStreak, StreakRestored
from engagement.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    InvalidProgram,
    NotEnoughPoints,
    NotFound,
    StreakRefused,
)
from engagement.records.unit import Database, Unit
from tests.achievements.programs import BEGIN, document
from tests.actions.books import books_balance
from tests.actions.conftest import House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies

EARN = {"key": "base", "on": "purchase", "earn": {"per": "amount"}}
DAYS = {"key": "days", "on": "purchase", "period": "day", "milestones": [{"at": 3, "rewards": [{"points": 7}]}]}
SAVED = {
    **DAYS,
    "freezes": {"hold_at_most": 1, "price": {"points": 20}},
    "restore": {"within": 2, "per": 30, "price": {"points": 50}},
}


@pytest.fixture
async def gym(records: Database) -> House:
    """A sandbox with a streak that can be saved, and another that cannot."""
    house = House(records)
    plain = {"key": "plain", "on": "purchase", "period": "day"}
    paused = {**SAVED, "key": "paused", "status": "paused"}
    held = {**SAVED, "key": "held", "control_group": 99}
    await house.apply(document(earn_rules=[EARN], streaks=[SAVED, plain, paused, held]), Sandbox(BEGIN))
    return house


async def buy(house: House, key: str | None = None, member: str = "ann", streak: str = "days") -> FreezeBought:
    command = BuyFreeze(member, streak)
    return await streaks.buy_freeze(house.database, house.cache, house.program, command, principal="app", key=key)


async def restore(house: House, key: str | None = None, **more: Any) -> StreakRestored:
    command = RestoreStreak(**{"member": "ann", "streak": "days", **more})
    return await streaks.restore(house.database, house.cache, house.program, command, principal="app", key=key)


async def shown(house: House, member: str = "ann") -> StreakShown:
    async def work(unit: Unit) -> StreakShown:
        loaded = await house.cache.load(unit)
        (screen,) = await screens.read(unit, loaded, [await screens.found(unit, member)])
        return next(each for each in screen.streaks if each.key == "days")

    return await house.database.run(work, house.program, read_only=True)


async def balance(house: House) -> int:
    ((found,),) = await house.rows("SELECT balance FROM wallet WHERE program_id = $1")
    return int(found)


async def test_a_freeze_is_bought_held_and_used(gym: House) -> None:
    await gym.send(purchase("p1", "ann", "2017-03-01T15:00:00Z", "45"))
    offer = (await shown(gym)).freeze
    assert offer is not None
    assert (offer.refused, offer.missing) == (None, 0)
    bought = await buy(gym, "k")
    assert (bought.held, bought.replayed) == (1, False)
    assert bought.effects == (PointsSpent("points", 20, "days", bought.at, ""),)
    assert (await buy(gym, "k")).replayed
    with pytest.raises(IdempotencyKeyReused):
        await buy(gym, "k", streak="plain")
    with pytest.raises(StreakRefused, match="the most") as refused:
        await buy(gym)
    assert refused.value.reason is Refused.HOLDS_MOST
    offer = (await shown(gym)).freeze
    assert offer is not None
    assert offer.refused is Refused.HOLDS_MOST
    assert await balance(gym) == 25
    await gym.advance("2017-03-03T15:00:00Z")
    seen = await shown(gym)
    assert (seen.current, seen.freezes_held, seen.freezes_used) == (1, 0, 1)
    await buy(gym)
    assert await balance(gym) == 5
    assert await discrepancies(gym) == []
    await books_balance(gym)


async def test_what_cannot_be_bought_takes_nothing(gym: House) -> None:
    await gym.send(purchase("p1", "ann", "2017-03-01T15:00:00Z", "19"))
    with pytest.raises(NotEnoughPoints) as missing:
        await buy(gym)
    assert missing.value.missing == 1
    offer = (await shown(gym)).freeze
    assert offer is not None
    assert (offer.refused, offer.missing) == (None, 1)
    with pytest.raises(StreakRefused) as refused:
        await buy(gym, streak="plain")
    assert refused.value.reason is Refused.NOT_OFFERED
    for streak in ("none", "paused", "held"):
        with pytest.raises(NotFound):
            await buy(gym, streak=streak)
    with pytest.raises(InvalidInput):
        await buy(gym, member="")
    assert await gym.rows("SELECT kind FROM fact WHERE program_id = $1") == []
    assert await balance(gym) == 19


async def test_of_two_who_buy_the_last_freeze_at_once_one_does(gym: House) -> None:
    await gym.send(purchase("p1", "ann", "2017-03-01T15:00:00Z", "90"))
    done = await asyncio.gather(buy(gym, "a"), buy(gym, "b"), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["FreezeBought", "StreakRefused"]
    assert await balance(gym) == 70
    assert await discrepancies(gym) == []


async def test_a_late_event_gives_a_bought_freeze_back(gym: House) -> None:
    await gym.send(purchase("p1", "ann", "2017-03-01T15:00:00Z", "45"))
    await buy(gym)
    await gym.advance("2017-03-03T15:00:00Z")
    await gym.send(purchase("p2", "ann", "2017-03-02T15:00:00Z", "1"))
    seen = await shown(gym)
    assert (seen.current, seen.freezes_held, seen.freezes_used) == (2, 1, 0)
    assert await discrepancies(gym) == []


async def test_a_freeze_outlives_the_reversal_of_what_began_the_streak(gym: House) -> None:
    first = purchase("p1", "ann", "2017-03-01T15:00:00Z", "45")
    await gym.send(first)
    await buy(gym)
    await amend(gym, first)
    seen = await shown(gym)
    assert (seen.current, seen.longest, seen.freezes_held) == (0, 0, 1)
    assert await balance(gym) == -20
    assert await discrepancies(gym) == []
    await books_balance(gym)


async def broken(house: House) -> None:
    """Two days in March, then none up to the noon of the 4th."""
    await house.send(
        purchase("p1", "ann", "2017-03-01T15:00:00Z", "45"), purchase("p2", "ann", "2017-03-02T15:00:00Z", "45")
    )
    await house.advance("2017-03-04T17:00:00Z")


async def test_a_streak_is_restored_once_in_a_while(gym: House) -> None:
    await broken(gym)
    offer = (await shown(gym)).restore
    assert offer is not None
    assert (offer.refused, offer.length, f"{offer.until:%m-%d %H}") == (None, 2, "03-06 05")
    done = await restore(gym, "k")
    assert (done.current, done.replayed) == (2, False)
    at = done.at
    assert done.effects == (PointsSpent("points", 50, "days", at, ""), StreakChanged("days", 2, 2, at, 0, 1))
    assert (await restore(gym, "k")).replayed
    with pytest.raises(StreakRefused, match="has not broken"):
        await restore(gym)
    await gym.send(purchase("p3", "ann", "2017-03-04T18:00:00Z", "50"))
    seen = await shown(gym)
    assert (seen.current, seen.active, seen.restores) == (3, True, 1)
    await gym.advance("2017-03-06T17:00:00Z")
    with pytest.raises(StreakRefused, match="at most 1 times within 30 periods") as refused:
        await restore(gym)
    assert refused.value.reason is Refused.USED_UP
    assert (await restore(gym, by_staff=True)).current == 3
    await gym.advance("2017-03-20T17:00:00Z")
    with pytest.raises(StreakRefused, match="2017-03-06 was missed") as refused:
        await restore(gym, by_staff=True)
    assert refused.value.reason is Refused.TOO_LATE
    assert await balance(gym) == 45 + 45 + 50 + 7 - 50
    assert await discrepancies(gym) == []
    await books_balance(gym)


async def test_what_was_missed_and_nobody_told_yet_is_known_to_a_restore(gym: House) -> None:
    # The clock alone: no worker has been by to tell that the streak broke.
    async def clock(unit: Unit) -> None:
        await unit.execute("UPDATE program SET clock = '2017-03-04T17:00:00Z' WHERE id = $1", unit.program)

    await gym.send(purchase("p1", "ann", "2017-03-01T15:00:00Z", "60"))
    await gym.database.run(clock, gym.program)
    assert (await restore(gym)).current == 1
    assert await discrepancies(gym) == []


async def test_a_milestone_that_a_restore_passes_is_given_once(gym: House) -> None:
    await broken(gym)
    await gym.send(purchase("p4", "ann", "2017-03-04T18:00:00Z", "1"))
    done = await restore(gym)
    assert [(each.lot, each.points) for each in done.effects if isinstance(each, PointsEarned)] == [
        ("streak/days/736389/3/0", 7)
    ]
    # Late news moves it to an event, and changes nothing else.
    await gym.send(purchase("p3", "ann", "2017-03-03T15:00:00Z", "1"))
    seen = await shown(gym)
    assert (seen.current, seen.restores) == (4, 0)
    assert await gym.rows("SELECT count(*) FROM lot WHERE program_id = $1 AND source = 'days'") == [(1,)]
    assert await balance(gym) == 45 + 45 + 1 + 1 + 7 - 50
    assert await discrepancies(gym) == []
    await books_balance(gym)


async def test_what_a_restore_rests_on_may_be_reversed(gym: House) -> None:
    await broken(gym)
    await restore(gym)
    await amend(gym, purchase("p1", "ann", "2017-03-01T15:00:00Z", "45"))
    assert (await shown(gym)).current == 1
    await amend(gym, purchase("p2", "ann", "2017-03-02T15:00:00Z", "45"))
    assert (await shown(gym)).current == 0
    assert await balance(gym) == -50
    assert await discrepancies(gym) == []
    await books_balance(gym)


async def test_what_cannot_be_restored_takes_nothing(gym: House) -> None:
    await gym.send(purchase("p1", "ann", "2017-03-01T15:00:00Z", "49"))
    await gym.advance("2017-03-03T17:00:00Z")
    with pytest.raises(NotEnoughPoints) as missing:
        await restore(gym)
    assert missing.value.missing == 1
    with pytest.raises(StreakRefused) as refused:
        await restore(gym, streak="plain", by_staff=True)
    assert refused.value.reason is Refused.NOT_OFFERED
    with pytest.raises(NotFound):
        await restore(gym, streak="paused")
    assert (await restore(gym, by_staff=True)).current == 1
    assert await balance(gym) == 49


async def test_a_price_may_change_and_come_later_and_what_is_earned_may_not(records: Database) -> None:
    house = House(records)
    await house.apply(document(streaks=[DAYS]), Sandbox(BEGIN))
    for points in (20, 30):
        await house.apply(document(streaks=[{**SAVED, "freezes": {"hold_at_most": 2, "price": {"points": points}}}]))
    without = {name: each for name, each in SAVED.items() if name != "on"}
    for changed in (
        {**SAVED, "freezes": {"start": 1, "hold_at_most": 2}},
        {**without, "objectives": [{"on": "purchase", "target": 2}]},
    ):
        with pytest.raises(InvalidProgram, match="stays as it is"):
            await house.apply(document(streaks=[changed]))


async def test_points_that_a_restore_gives_may_call_for_an_automatic_reward(records: Database) -> None:
    house = House(records)
    rewards = [{"key": "cup", "at": 100}]
    await house.apply(document(earn_rules=[EARN], streaks=[SAVED], auto_rewards=rewards), Sandbox(BEGIN))
    await house.send(
        purchase("p1", "ann", "2017-03-01T15:00:00Z", "70"),
        purchase("p2", "ann", "2017-03-02T15:00:00Z", "28"),
        purchase("p4", "ann", "2017-03-04T15:00:00Z", "0"),
    )
    spent = [each for each in (await restore(house, by_staff=True)).effects if isinstance(each, PointsSpent)]
    assert [(each.source, each.points) for each in spent] == [("cup", 100)]
    assert await balance(house) == 70 + 28 + 7 - 100
    assert await discrepancies(house) == []
    await books_balance(house)
