"""Two members who are one person: one history, one purse, nothing lost, and one name that both ids lead to."""

import asyncio
import functools
import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from engagement.actions import adjustments, consents, erasing, exporting_members, holds, merging, teams, transfers
from engagement.actions.adjustments import AdjustPoints
from engagement.actions.consents import SetConsent
from engagement.actions.holds import CaptureHold, HoldPoints
from engagement.actions.merging import Merged, MergeMembers
from engagement.actions.programs import Sandbox
from engagement.actions.teams import CreateTeam, JoinTeam
from engagement.actions.timezones import SetTimezone, set_timezone
from engagement.actions.transfers import TransferPoints
from engagement.errors import (
    HoldNotOpen,
    InvalidInput,
    MemberErased,
    MergeRefused,
    NotEnoughPoints,
    NotFound,
    Unmergeable,
)
from engagement.records import consents as kept_consents
from engagement.records import members
from engagement.records.unit import Database
from tests.achievements.programs import EVERYTHING, document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.erased import tables_dumped
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies

AFTER = "2017-04-03T12:00:00Z"
COUPON = {"key": "ten", "on": "coupon", "spend": {"points": 10, "currency": "points"}}


def program() -> dict[str, Any]:
    written = document(
        **EVERYTHING, spend_rules=[COUPON], adjustment_reasons=[{"key": "goodwill"}], purposes=[{"key": "news"}]
    )
    written["event_types"].append({"key": "coupon"})
    currency = {"key": "points", "expires": {"after_days": 25}, "transfers": {"at_most": 1_000}}
    return {**written, "currencies": [currency]}


def bought(who: str, days: range, member: str) -> list[tuple[object, ...]]:
    return [purchase(f"{who}{day}", member, f"2017-03-{day:02}T12:00:00Z", "40.00", f"d{day % 3}") for day in days]


def everything(ann: str, eve: str) -> list[tuple[object, ...]]:
    """What happens to one person under two ids, in order: both complete and collect the same things, and both spend."""
    coupons: list[tuple[object, ...]] = [
        ("ca", ann, "coupon", "2017-03-20T12:00:00Z", {}),
        ("ce", eve, "coupon", "2017-03-21T12:00:00Z", {}),
    ]
    return [*bought("a", range(1, 10, 2), ann), *bought("e", range(2, 9, 2), eve), *coupons]


async def founded(database: Database, *events: tuple[object, ...]) -> House:
    house = House(database)
    await house.apply(program(), Sandbox(BEGIN))
    for event in events:
        await house.send(event)
    await house.advance(AFTER)
    return house


@pytest.fixture
async def two(records: Database) -> House:
    """Ann and Eve, who are one; some of their points have ended."""
    return await founded(records, *everything("ann", "eve"))


async def merge(house: House, former: str = "eve", into: str = "ann", key: str | None = "m") -> Merged:
    where = (house.database, house.cache, house.program)
    return await merging.merge_members(*where, MergeMembers(former, into), principal="shop", key=key)


async def wallets(house: House) -> Mapping[str, tuple[int, ...]]:
    """What members earned, spent, lost to time and have, by their own ids."""
    rows = await house.rows(
        "SELECT external_id, earned - reversed, spent, expired, balance FROM wallet JOIN member ON member.id = wallet.member_id"
        " AND member.program_id = $1 WHERE wallet.program_id = $1"
    )
    return {name: tuple(sums) for name, *sums in rows}


async def is_sound(house: House) -> None:
    assert await discrepancies(house) == []
    await books_balance(house)


async def feed(house: House, member: str) -> list[str]:
    rows = await house.rows(
        "SELECT told.effects::text FROM activity AS told JOIN member ON member.program_id = $1 AND member.id = told.member_id"
        " WHERE told.program_id = $1 AND external_id = $2 ORDER BY seq",
        member,
    )
    return [row[0] for row in rows]


async def test_nothing_that_either_had_is_lost(two: House) -> None:
    before = await wallets(two)
    done = await merge(two)
    assert (done.former, done.into, done.replayed) == ("eve", "ann", False)
    after = await wallets(two)
    assert after["eve"] == (0, 0, 0, 0)
    earned, spent, expired, balance = (sum(each) for each in zip(*before.values(), strict=True))
    assert after["ann"][1] == spent == 20
    assert after["ann"][3] >= balance
    assert after["ann"][0] >= earned
    assert after["ann"][2] >= expired > 0
    await is_sound(two)


async def test_standings_are_those_of_one_who_did_it_all(two: House, records: Database) -> None:
    await merge(two)
    one = await founded(records, *everything("ann", "ann"))
    merged, alone = await two.outcomes(), await one.outcomes()
    assert merged["board_score"] == alone["board_score"]
    for table in ("completion", "badge_award"):
        assert {row[:3] for row in alone[table]} <= {row[:3] for row in merged[table]}, table
    assert all(row[0] == "ann" for table in ("completion", "badge_award", "board_score") for row in merged[table])


async def test_all_figures_of_the_books_stay_but_for_what_both_together_earn(two: House) -> None:
    """What moves with her is booked twice, once against itself: by kind and instant, nothing remains of it."""
    sums = (
        "SELECT kind, at, sum(points * ((credit IN ('wallet', 'debt'))::int - (debit IN ('wallet', 'debt'))::int))::bigint"
        " FROM transfer WHERE program_id = $1 AND kind IN ('spend', 'expire') GROUP BY 1, 2 ORDER BY 1, 2"
    )
    before = await two.rows(sums)
    await merge(two)
    kept = {row[:2]: row[2] for row in await two.rows(sums)}
    assert {place: kept[place] for place in (row[:2] for row in before)} == {row[:2]: row[2] for row in before}


async def test_both_ids_lead_to_her_from_then_on(two: House) -> None:
    await merge(two)
    before = (await wallets(two))["ann"]
    again = await two.send(
        purchase("n1", "eve", "2017-04-03T12:00:00Z", "60.00"), purchase("n2", "ann", "2017-04-03T12:00:00Z", "70.00")
    )
    assert [each.status for each in again.receipts] == ["APPLIED", "APPLIED"]
    after = await wallets(two)
    assert after["ann"][0] >= before[0] + 130
    assert after["eve"] == (0, 0, 0, 0)
    # What was sent before under the former id is known under both.
    repeated = await two.send(bought("e", range(2, 3), "eve")[0], bought("e", range(2, 3), "ann")[0])
    assert [each.replayed for each in repeated.receipts] == [True, True]
    assert await wallets(two) == after
    boards = await two.rows("SELECT DISTINCT member_id FROM board_score WHERE program_id = $1")
    assert len(boards) == 1
    outbox = await two.rows("SELECT payload::text FROM outbox WHERE program_id = $1 ORDER BY id DESC LIMIT 1")
    assert '"eve"' not in outbox[0][0]
    await is_sound(two)


async def test_what_is_learned_later_of_either_past_counts_once(two: House) -> None:
    await merge(two)
    before = (await wallets(two))["ann"]
    late = await two.send(purchase("late", "eve", "2017-03-15T09:00:00Z", "33.00"))
    assert [each.status for each in late.receipts] == ["APPLIED"]
    assert (await wallets(two))["ann"][0] >= before[0] + 33
    await is_sound(two)
    for event in (bought("e", range(4, 5), "eve")[0], bought("a", range(3, 4), "ann")[0]):
        await amend(two, event)
        await is_sound(two)
    assert (await wallets(two))["ann"][0] < before[0] + 33


async def test_what_is_asked_by_her_former_id_is_told_of_her(two: House) -> None:
    async def said(given: bool, member: str) -> None:
        where = (two.database, two.cache, two.program)
        command = SetConsent(member, "news", given, "form")
        await consents.set_consent(*where, command, told_by="server", principal="shop", key=None)

    for member in ("ann", "eve"):
        await said(True, member)
    await merge(two)
    await said(False, "eve")
    for member in ("ann", "eve"):
        found = await two.database.run(
            functools.partial(kept_consents.of_member, external_id=member, purpose=None, at_most=5), two.program
        )
        assert [each.given for each in found] == [False]


async def test_all_that_is_kept_on_her_has_what_was_kept_on_her_former_self(two: House) -> None:
    before = {member: await kept(two, member) for member in ("ann", "eve")}
    await merge(two)
    after = await kept(two, "ann")
    assert await kept(two, "eve") == after
    for table in ("member", "activity", "event"):
        assert len(after[table]) >= len(before["ann"][table]) + len(before["eve"][table]), table
        assert len(set(after[table])) == len(after[table]), table


async def kept(house: House, member: str) -> dict[str, list[str]]:
    """All that is kept on a member, by table, as it is read a few rows at a time."""
    found: dict[str, list[str]] = defaultdict(list)
    after = None
    while True:
        piece = functools.partial(exporting_members.page, member=member, after=after, at_most=7)
        rows = await house.database.run(piece, house.program, read_only=True)
        for each in rows:
            found[each.place.table].append(each.row)
        if len(rows) < 7:
            return found
        after = rows[-1].place


async def test_her_feed_tells_it_once(two: House) -> None:
    told = len(await feed(two, "ann"))
    await merge(two)
    news = (await feed(two, "ann"))[told:]
    assert [each for each in news if '"merged"' in each] == news[:1]
    first, again = [await merge(two) for _ in range(2)]
    assert (first.replayed, again.replayed) == (True, True)
    assert (await feed(two, "ann"))[told:] == news


async def test_points_with_other_origins_go_along(two: House) -> None:
    where = (two.database, two.cache, two.program)
    for member in ("ann", "eve"):
        gift = AdjustPoints(member, 30, "goodwill")
        await adjustments.adjust_points(*where, gift, principal="operator", key=None)
        # The same command at the same version: facts and lots of the same names.
        zone = SetTimezone(member, "Asia/Tokyo" if member == "eve" else "Europe/Berlin")
        await set_timezone(two.database, two.cache, two.program, zone, principal="shop", key=None)
    await transfers.transfer_points(*where, TransferPoints("eve", "ann", 5), principal="shop", key=None)
    before = await wallets(two)
    await merge(two)
    assert (await wallets(two))["ann"][3] >= before["ann"][3] + before["eve"][3]
    await is_sound(two)


async def captured(house: House, member: str) -> CaptureHold:
    """The word by which some of her points were spent that had been set aside."""
    where = (house.database, house.cache, house.program)
    await adjustments.adjust_points(*where, AdjustPoints(member, 30, "goodwill"), principal="operator", key=None)
    made = await holds.hold_points(*where, HoldPoints(member, 20, "order"), principal="shop", key=None)
    capture = CaptureHold(str(made.hold.id), 15)
    await holds.capture_hold(*where, capture, principal="shop", key=None)
    return capture


async def test_what_she_captured_before_stays_captured(two: House) -> None:
    _, hers = [await captured(two, member) for member in ("ann", "eve")]
    await merge(two)
    await is_sound(two)
    with pytest.raises(HoldNotOpen) as refused:
        await holds.capture_hold(two.database, two.cache, two.program, hers, principal="shop", key=None)
    assert refused.value.state == "captured"


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_did_what_the_whole_is_one_and_sound(records: Database, seed: int) -> None:
    """A life told at random under two ids, with what was taken back and spent in it, stands as it does under one."""
    chance = random.Random(seed)
    life = [
        purchase(f"p{n}", chance.choice(["ann", "eve"]), at, f"{chance.randint(1, 120)}.00", f"d{chance.randint(1, 4)}")
        for n, at in enumerate(_instants(chance, 24))
    ]
    life += [(f"c{n}", chance.choice(["ann", "eve"]), "coupon", at, {}) for n, at in enumerate(_instants(chance, 6))]
    life.sort(key=lambda each: str(each[3]))
    taken_back = [each for each in life if chance.random() < 0.15]
    two, one = House(records), House(records)
    for house, key in ((two, "two"), (one, "one")):
        written = program()
        await house.apply({**written, "program": {**written["program"], "key": key}}, Sandbox(BEGIN))
        for each in life:
            event = each if house is two else (each[0], "ann", *each[2:])
            await house.send(event)
            if each in taken_back:
                await amend(house, event)
        await house.advance(AFTER)
    before = await wallets(two)
    former, into = chance.sample(["ann", "eve"], 2)
    await merge(two, former, into, key=None)
    await is_sound(two)
    after = {name: sums for name, sums in (await wallets(two)).items() if any(sums)}
    assert len(after) == 1
    assert next(iter(after.values()))[3] >= sum(each[3] for each in before.values())
    scores = "SELECT board, period, score, reached_at FROM board_score WHERE program_id = $1 ORDER BY 1, 2"
    assert await two.rows(scores) == await one.rows(scores)
    await two.send(purchase("late", "eve", "2017-03-11T11:11:11Z", "12.00"), purchase("next", "ann", AFTER, "12.00"))
    await is_sound(two)


def _instants(chance: random.Random, count: int) -> list[str]:
    return [f"2017-03-{chance.randint(1, 28):02}T{chance.randint(0, 23):02}:00:00Z" for _ in range(count)]


async def test_one_becomes_a_part_of_another_who_becomes_a_part_of_a_third(two: House) -> None:
    await two.send(purchase("z1", "zoe", "2017-04-03T12:00:00Z"))
    await merge(two, "zoe", "eve", key=None)
    with pytest.raises(MergeRefused) as refused:
        await merge(two, "zoe", "eve", key=None)
    assert refused.value.reason is Unmergeable.MERGED
    await merge(two, "zoe", "ann", key=None)
    found = await two.database.run(lambda unit: members.ids_of(unit, ["zoe", "eve", "ann"]), two.program)
    assert len(set(found.values())) == 1
    await is_sound(two)


async def test_traffic_under_both_ids_goes_on_while_they_become_one(two: House) -> None:
    async def shop(who: str, number: int) -> str:
        event = purchase(f"x{who}{number}", who, "2017-04-03T12:00:00Z", "10.00")
        (receipt,) = (await two.send(event)).receipts
        return receipt.status

    before = sum(each[0] for each in (await wallets(two)).values())
    done = await asyncio.gather(
        *(shop("eve", number) for number in range(4)), merge(two), *(shop("eve", number) for number in range(4, 8))
    )
    assert done.count("APPLIED") == 8
    after = await wallets(two)
    assert after["eve"] == (0, 0, 0, 0)
    assert after["ann"][0] >= before + 80
    await is_sound(two)


async def test_who_spends_and_is_merged_at_once_spends_once(two: House) -> None:
    where = (two.database, two.cache, two.program)
    await adjustments.adjust_points(*where, AdjustPoints("eve", 50, "goodwill"), principal="operator", key=None)
    balance = (await wallets(two))["eve"][3]
    take = AdjustPoints("eve", -balance, "goodwill")
    await asyncio.gather(merge(two), adjustments.adjust_points(*where, take, principal="operator", key=None))
    assert (await wallets(two))["eve"] == (0, 0, 0, 0)
    much = AdjustPoints("eve", -100_000, "goodwill")
    with pytest.raises(NotEnoughPoints):
        await adjustments.adjust_points(*where, much, principal="operator", key=None)
    await is_sound(two)


async def test_nobody_gives_herself_points_by_her_former_id(two: House) -> None:
    await merge(two)
    gift = TransferPoints("eve", "ann", 5)
    with pytest.raises(InvalidInput):
        await transfers.transfer_points(two.database, two.cache, two.program, gift, principal="shop", key=None)


async def test_what_would_be_done_by_half_is_refused_and_leaves_both_as_they_were(two: House) -> None:
    where = (two.database, two.cache, two.program)
    await adjustments.adjust_points(*where, AdjustPoints("held", 50, "goodwill"), principal="operator", key=None)
    await holds.hold_points(*where, HoldPoints("held", 10, "order"), principal="shop", key=None)
    await teams.create(*where, CreateTeam("t", "T"), principal="shop", key=None)
    await two.send(purchase("p", "team", AFTER), purchase("a1", "same", AFTER))
    await teams.join(*where, JoinTeam("team", "t"), principal="shop", key=None)
    before = await two.outcomes(), await wallets(two)
    for member, reason in (
        ("team", Unmergeable.TEAM),
        ("same", Unmergeable.SAME_EVENT),
    ):
        with pytest.raises(MergeRefused) as refused:
            await merge(two, member, key=None)
        assert refused.value.reason is reason
    for former, into, error in (
        ("nobody", "ann", NotFound),
        ("ann", "nobody", NotFound),
        ("ann", "ann", InvalidInput),
        ("", "ann", InvalidInput),
        ("a\0", "ann", InvalidInput),
    ):
        with pytest.raises(error):
            await merge(two, former, into, key=None)
    assert (await two.outcomes(), await wallets(two)) == before
    await is_sound(two)


async def test_who_is_erased_takes_her_former_self_with_her(two: House) -> None:
    await merge(two)

    async def forget(_: int, __: str) -> bool:
        return True

    where = (two.database, two.cache, two.program)
    await erasing.erase(*where, "eve")
    await two.database.run(
        lambda unit: unit.execute("DELETE FROM outbox WHERE program_id = $1", unit.program), two.program
    )
    await erasing.settle(*where, forget, timedelta(0))
    dumped = await tables_dumped(two.database, two.program)
    assert [each for each in ("eve", "ann") if f",{each}," in dumped or f'"{each}"' in dumped] == []
    refused = await two.send(purchase("n1", "eve", AFTER), purchase("n2", "ann", AFTER))
    assert [each.code for each in refused.refused] == [MemberErased.code] * 2
    assert await discrepancies(two) == []
