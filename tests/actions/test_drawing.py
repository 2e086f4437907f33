"""Drawing winners: once, by the seed that was fixed before, among the entries that stand, whoever draws, how often, and whatever dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from achievements import periods
from achievements.draws import Entry, commitment, lowest
from engagement.actions import drawing, erasing
from engagement.actions import draws as reading
from engagement.actions.draws import DrawShown
from engagement.actions.programs import Programs
from engagement.errors import RedemptionRefused, RewardRefused
from engagement.records import draws
from engagement.records.unit import Database, Unit
from tests.achievements.programs import document
from tests.actions.conftest import House, purchase
from tests.actions.shop import SHELF, all_is_well, capture, insist, open_shop, redeem, refund, reserve, void
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies, tamper
from tests.conftest import Urls

END, BEFORE, CLOSING = "2017-04-01T00:00:00Z", "2017-04-01T23:59:59Z", "2017-04-02T00:00:00Z"
TRIP: dict[str, Any] = {
    "key": "trip",
    "ends": END,
    "close_after_hours": 24,
    "prizes": [{"rewards": [{"points": 500}, {"voucher": "ten", "days": 30}]}, {"rewards": [{"points": 5}]}],
}
LUCK = {"key": "luck", "kind": "draw", "price": {"points": 10}, "gives": [{"draw": "trip", "entries": 3}]}
FIRST = {"key": "first", "on": "purchase", "levels": [{"target": 2, "key": "two", "rewards": [{"draw": "trip"}]}]}
MEMBERS = ("ann", "bob", "cid", "dee")

WINNERS = (
    "SELECT place, external_id, entry::text, number FROM draw_winner AS held"
    " JOIN member ON member.program_id = $1 AND member.id = held.member_id WHERE held.program_id = $1 ORDER BY place"
)
PRIZES = (
    "SELECT external_id, points::int FROM lot JOIN member ON member.program_id = $1 AND member.id = lot.member_id"
    " WHERE lot.program_id = $1 AND source = 'trip' ORDER BY points DESC"
)
FACTS = "SELECT count(*) FROM fact WHERE program_id = $1 AND kind = 'draw_won'"


GIVING: dict[str, Any] = {"rewards": [*SHELF["rewards"], LUCK], "badges": [FIRST]}
BIKE = {"key": "bike"}


async def opened(records: Database) -> House:
    changes: dict[str, Any] = {**GIVING, "draws": [TRIP, BIKE]}
    return await open_shop(records, MEMBERS, **changes)


async def publish(house: House, *draws: dict[str, Any], **changes: Any) -> None:
    await house.apply(document("UTC", **{**SHELF, **GIVING, "draws": [*draws, BIKE], **changes}))


@pytest.fixture
async def lottery(records: Database) -> House:
    """Four members; of ann and bob 3 entries each were redeemed, and of cid 6."""
    house = await opened(records)
    for member in ("ann", "bob", "cid", "cid"):
        await redeem(house, "luck", member)
    return house


async def by_hand(house: House) -> list[tuple[Any, ...]]:
    """Who wins by what everybody can read once it is drawn."""
    ((seed,),) = await house.rows("SELECT seed FROM draw WHERE program_id = $1 AND key = 'trip'")
    held = await house.rows(
        "SELECT held.id::text, external_id, count FROM benefit AS held JOIN member ON member.program_id = $1"
        " AND member.id = held.member_id WHERE held.program_id = $1 AND key = 'trip' AND state = 'used'"
    )
    won = lowest(seed, [Entry(*each) for each in held], 2)
    return [(place, each.entrant, each.entry, each.number) for place, each in enumerate(won, 1)]


async def entries(house: House, state: str) -> dict[str, int]:
    """How many entries of each member are in a state."""
    rows = await house.rows(
        "SELECT external_id, sum(count)::int FROM benefit AS held JOIN member ON member.program_id = $1"
        " AND member.id = held.member_id WHERE held.program_id = $1 AND key = 'trip' AND state = $2 GROUP BY 1",
        state,
    )
    return dict(rows)


async def set_clock(house: House, to: str) -> None:
    """Move the test clock, and leave what falls due on the way to others."""
    sql = "UPDATE program SET clock = $2 WHERE id = $1"
    await house.database.run(lambda unit: unit.execute(sql, unit.program, periods.rfc3339(to)), house.program)


async def test_winners_follow_from_the_seed_and_the_entries_that_stand(lottery: House) -> None:
    ((seed,),) = await lottery.rows("SELECT seed FROM draw WHERE program_id = $1 AND key = 'trip'")
    taken_back, kept = await redeem(lottery, "luck", "ann"), await redeem(lottery, "luck", "dee")
    await refund(lottery, taken_back)
    over, late = await reserve(lottery, "luck", "bob", 86_400), await reserve(lottery, "luck", "bob", 30 * 86_400)
    await lottery.advance(BEFORE)
    assert await entries(lottery, "issued") == {"ann": 3, "bob": 3, "cid": 6, "dee": 3}
    # It is over: nobody pays for entries in it any more.
    for ask in (redeem, reserve):
        with pytest.raises(RewardRefused) as refused:
            await ask(lottery, "luck", "ann")
        assert refused.value.reason.name == "ENDED"
    with pytest.raises(RewardRefused):
        await capture(lottery, late)
    with pytest.raises(RedemptionRefused):
        await capture(lottery, over)
    await void(lottery, late)
    # Of before its end, and known after it: an entry that a badge gave, and one that it gave and that was taken back.
    bought, gone = purchase("b2", "bob", "2017-03-31T12:00:00Z"), purchase("d2", "dee", "2017-03-31T12:00:00Z")
    await lottery.send(bought, gone)
    await amend(lottery, gone)
    await lottery.send(purchase("c2", "cid", "2017-04-01T00:00:00Z"))
    assert await lottery.rows(WINNERS) == []
    await lottery.advance(CLOSING)
    assert await entries(lottery, "used") == {"ann": 3, "bob": 4, "cid": 6, "dee": 3}
    assert await entries(lottery, "issued") == {"cid": 1}
    won = await lottery.rows(WINNERS)
    assert (won, len(won)) == (await by_hand(lottery), 2)
    assert await lottery.rows(PRIZES) == [(won[0][1], 500), (won[1][1], 5)]
    assert (await lottery.rows("SELECT entries FROM draw WHERE program_id = $1 AND key = 'trip'"))[0] == (16,)
    assert await lottery.rows("SELECT seed FROM draw WHERE program_id = $1 AND key = 'trip'") == [(seed,)]
    assert len(commitment(seed)) == 64
    # What took part stands, whatever is learned later.
    await lottery.advance("2017-04-03T00:00:00Z")
    await amend(lottery, bought)
    with pytest.raises(RedemptionRefused) as used:
        await refund(lottery, kept)
    assert used.value.used
    assert [each.state for each in (await refund(lottery, kept, forced=True)).benefits] == ["used"]
    await lottery.advance("2017-05-01T00:00:00Z")
    assert (await lottery.rows(WINNERS), await lottery.rows(FACTS)) == (won, [(2,)])
    told = "SELECT effect ->> 1, (effect ->> 2)::int FROM activity, jsonb_array_elements(effects) AS effect"
    said = await lottery.rows(f"{told} WHERE program_id = $1 AND effect ->> 0 = 'draw_won' ORDER BY 2")
    assert said == [("trip", 1), ("trip", 2)]
    await all_is_well(lottery)


async def test_two_who_draw_at_once_draw_the_same_and_give_it_once(lottery: House, database: Urls) -> None:
    await set_clock(lottery, CLOSING)
    others = [await Database.open(database.app, max_connections=2) for _ in range(2)]
    done = await asyncio.gather(*(drawing.settle(each, Programs(), lottery.program) for each in (*others, *others)))
    for each in others:
        await each.close()
    # One draw and two winners, between them all.
    assert sum(done) == 3
    won = await lottery.rows(WINNERS)
    assert (won, await lottery.rows(FACTS)) == (await by_hand(lottery), [(2,)])
    assert await lottery.rows(PRIZES) == [(won[0][1], 500), (won[1][1], 5)]
    await all_is_well(lottery)


async def test_whoever_dies_between_the_steps_is_taken_over(lottery: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await set_clock(lottery, CLOSING)
    monkeypatch.setattr(drawing, "ENTRIES_AT_ONCE", 1)
    monkeypatch.setattr(drawing, "WINNERS_AT_ONCE", 1)

    async def dies(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    async def killed_at(what: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(draws, what, dies)
            with pytest.raises(RuntimeError, match="killed"):
                await drawing.settle(lottery.database, lottery.cache, lottery.program)

    # With all entries taken in, and the draw not closed; closed, and nothing drawn; drawn, and nobody told, or told and not noted.
    for step in ("close", "award", "waiting", "given"):
        await killed_at(step)
        assert (await lottery.rows(PRIZES), await lottery.rows(FACTS)) == ([], [(0,)])
    assert await drawing.give(lottery.database, lottery.cache, lottery.program) == 1
    await killed_at("given")
    assert await drawing.settle(lottery.database, lottery.cache, lottery.program) == 1
    won = await lottery.rows(WINNERS)
    assert (won, await lottery.rows(FACTS)) == (await by_hand(lottery), [(2,)])
    assert await lottery.rows(PRIZES) == [(won[0][1], 500), (won[1][1], 5)]
    await all_is_well(lottery)


async def erase(house: House, member: str) -> None:
    await erasing.erase(house.database, house.cache, house.program, member)


async def test_who_was_erased_wins_nothing(lottery: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await erase(lottery, "cid")
    await set_clock(lottery, CLOSING)
    with monkeypatch.context() as patched:
        patched.setattr(drawing, "give", lambda *_, **__: asyncio.sleep(0, 0))
        assert await drawing.settle(lottery.database, lottery.cache, lottery.program) == 1
    assert await entries(lottery, "used") == {"ann": 3, "bob": 3}
    (_, first, *_), (_, second, *_) = await lottery.rows(WINNERS)
    assert {first, second} == {"ann", "bob"}
    # Drawn, and erased before she could be told: nobody takes her place.
    await erase(lottery, first)
    await lottery.advance("2017-04-03T00:00:00Z")
    assert await lottery.rows(PRIZES) == [(second, 5)]
    assert await lottery.rows("SELECT count(*) FROM draw_winner WHERE program_id = $1 AND given_at IS NULL") == [(0,)]
    assert await discrepancies(lottery) == []


async def test_a_draw_with_fewer_members_than_places_and_with_none(records: Database) -> None:
    house = await opened(records)
    other = {**TRIP, "key": "empty"}
    draft = {**TRIP, "key": "idea", "status": "draft"}
    await publish(house, TRIP, other, draft)
    await redeem(house, "luck", "dee")
    # Where bob is by what was told of him, the draw is over.
    await house.send(purchase("b2", "bob", "2017-04-01T00:00:00Z"))
    with pytest.raises(RewardRefused) as refused:
        await redeem(house, "luck", "bob")
    assert refused.value.reason.name == "ENDED"
    await house.advance(CLOSING)
    assert [member for _, member, *_ in await house.rows(WINNERS)] == ["dee"]
    found = await house.rows("SELECT key, entries, winners FROM draw WHERE program_id = $1 ORDER BY key")
    assert found == [("bike", None, None), ("empty", 0, 2), ("idea", None, None), ("trip", 3, 2)]
    await all_is_well(house)


async def test_nothing_is_drawn_while_it_is_paused_nor_given_while_it_is_left_out(records: Database) -> None:
    house = await opened(records)
    await redeem(house, "luck", "ann")
    await publish(house, {**TRIP, "status": "paused"})
    with pytest.raises(RewardRefused) as refused:
        await redeem(house, "luck", "bob")
    assert refused.value.reason.name == "PAUSED"
    await house.advance("2017-04-10T00:00:00Z")
    assert await house.rows(WINNERS) == []
    await publish(house, TRIP)
    await drawing.draw(house.database, house.cache, house.program, "trip")
    await publish(house, rewards=SHELF["rewards"], badges=[])
    await house.advance("2017-04-11T00:00:00Z")
    assert (len(await house.rows(WINNERS)), await house.rows(FACTS)) == (1, [(0,)])
    # It is back, and drawn already: its seed is no other, and nobody wins twice.
    await publish(house, TRIP)
    await house.advance("2017-04-12T00:00:00Z")
    assert (len(await house.rows(WINNERS)), await house.rows(PRIZES)) == (1, [("ann", 500)])
    await all_is_well(house)


async def test_of_a_refund_and_the_draw_at_once_the_entry_is_in_or_back(records: Database, database: Urls) -> None:
    house = await opened(records)
    done = [await redeem(house, "luck", member) for member in MEMBERS for _ in range(3)]
    await set_clock(house, CLOSING)
    other = await Database.open(database.app, max_connections=2)
    refunds = [insist(partial(refund, house, each)) for each in done]
    drawing_it = insist(partial(drawing.settle, other, Programs(), house.program))
    *came, _ = await asyncio.gather(*refunds, drawing_it, return_exceptions=True)
    await other.close()
    await house.advance("2017-04-03T00:00:00Z")
    back = [each for each in came if not isinstance(each, BaseException)]
    refused = [each for each in came if isinstance(each, RedemptionRefused) and each.used]
    assert len(back) + len(refused) == len(done)
    assert sum((await entries(house, "used")).values()) == 3 * len(refused)
    assert sum((await entries(house, "voided")).values()) == 3 * len(back)
    assert [each[:2] for each in await house.rows(WINNERS)] == [each[:2] for each in await by_hand(house)]
    await all_is_well(house)


CHANGES = {
    "another winner": "UPDATE draw_winner SET entry = (SELECT id FROM benefit WHERE key = 'trip' AND id NOT IN"
    " (SELECT entry FROM draw_winner) LIMIT 1) WHERE place = 2",
    "another number": "UPDATE draw_winner SET number = 4 WHERE place = 1",
    "another place": "UPDATE draw_winner SET place = 3 WHERE place = 1",
    "gone": "DELETE FROM draw_winner WHERE place = 2",
    "another seed": "UPDATE draw SET seed = sha256('x') WHERE key = 'trip'",
    "more entries": "UPDATE benefit SET count = count + 1 WHERE key = 'trip'",
    "an entry less": "UPDATE benefit SET state = 'voided', used_by = NULL WHERE key = 'trip' AND id IN (SELECT id FROM benefit"
    " WHERE key = 'trip' LIMIT 1)",
    "another list": "UPDATE draw SET digest = sha256('x') WHERE key = 'trip'",
    "not told": "UPDATE draw_winner SET given_at = NULL WHERE place = 1",
}


TABLES = ("draw", "draw_winner", "benefit")


@asynccontextmanager
async def tampered(house: House, database: Urls, sql: str) -> AsyncIterator[None]:
    """Rows changed as the owner, and put back."""
    kept = {
        each: await house.rows(f"SELECT jsonb_agg(held)::text FROM {each} AS held WHERE program_id = $1")
        for each in TABLES
    }
    await tamper(database, house, sql)
    yield
    for table, ((rows,),) in kept.items():
        written = rows.replace("'", "''")
        await tamper(database, house, f"DELETE FROM {table} WHERE program_id = {house.program}")
        back = f"INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, '{written}')"
        await tamper(database, house, back)


async def test_what_was_changed_by_hand_is_named(lottery: House, database: Urls) -> None:
    await lottery.advance(CLOSING)
    assert await discrepancies(lottery) == []
    for name, changed in CHANGES.items():
        async with tampered(lottery, database, changed):
            assert any("draw trip" in each.what for each in await discrepancies(lottery)), name
    assert await discrepancies(lottery) == []


async def test_what_a_former_self_had_and_won_is_the_wholes(lottery: House, database: Urls) -> None:
    await lottery.advance(CLOSING)
    won = await lottery.rows(WINNERS)
    (_, first, *_), (_, second, *_) = won
    # Both winners become one, and who had entries and won nothing becomes a part of a third.
    (other,) = {"ann", "bob", "cid"} - {first, second}
    for former, into in ((first, second), (other, "dee")):
        named = f"(SELECT id FROM member WHERE program_id = {lottery.program} AND external_id = '{{}}')"
        both = (named.format(former), named.format(into))
        await tamper(database, lottery, f"UPDATE member SET merged_into = {both[1]} WHERE id = {both[0]}")
        moved = f"UPDATE fact SET member_id = {both[1]}, id = id || 'f', cause = cause || 'f'"
        await tamper(database, lottery, f"{moved} WHERE member_id = {both[0]} AND kind = 'draw_won'")
    # The rest of her is not moved here, so there is something else to name.
    assert not any(each.what.startswith(("draw ", "won in draw ")) for each in await discrepancies(lottery))

    async def shown(unit: Unit, member: str) -> DrawShown:
        return await reading.read(unit, lottery.cache, "trip", member, counted=True)

    entries = {"ann": 3, "bob": 3, "cid": 6}
    for member in (first, second):
        found = await lottery.database.run(partial(shown, member=member), lottery.program, read_only=True)
        assert found.own is not None
        assert found.own[1:] == (second, entries[first] + entries[second], 1)
        assert [each.member for each in found.winners] == [second, second]
