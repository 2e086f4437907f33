"""Undoing a merge: both are what each would be had they never been one, whatever came in between, until something rests on both."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from achievements import periods
from engagement.actions import adjustments, erasing, holds, transfers, unmerging
from engagement.actions.adjustments import AdjustPoints
from engagement.actions.holds import HoldPoints
from engagement.actions.programs import Sandbox
from engagement.actions.record_events import Intake
from engagement.actions.timezones import SetTimezone, set_timezone
from engagement.actions.transfers import TransferPoints
from engagement.actions.unmerging import Unmerged, UnmergeMembers
from engagement.errors import Inseparable, InvalidInput, MemberErased, NotFound, UnmergeRefused
from engagement.records import unmerges
from engagement.records.unit import Database
from tests.actions import recounting
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.erased import tables_dumped
from tests.actions.test_accounting import close
from tests.actions.test_amend_events import amend
from tests.actions.test_closing import CLOSING
from tests.actions.test_closing import founded as with_board
from tests.actions.test_merging import AFTER, captured, everything, feed, founded, is_sound, merge, program
from tests.actions.test_referrals import bought as referring
from tests.actions.test_referrals import brought, paid, settle
from tests.actions.test_referrals import shop as with_referrals

LATER = "2017-04-20T12:00:00Z"
MUCH_LATER = "2017-05-10T12:00:00Z"


@pytest.fixture
async def two(records: Database) -> House:
    """Ann and Eve, who are two; some of their points have ended."""
    return await founded(records, *everything("ann", "eve"))


async def unmerge(house: House, former: str = "eve", key: str | None = None) -> Unmerged:
    where = (house.database, house.cache, house.program)
    return await unmerging.unmerge_members(*where, UnmergeMembers(former), principal="shop", key=key)


async def stands(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """All that both have, and what they did, by the app's own ids."""
    joined = "JOIN member ON member.program_id = $1 AND member.id = held.member_id WHERE held.program_id = $1"
    more = {
        "lot": "held.id, points, remaining, held, held.expired, pending, earned_at, expires_at, release_at, event_id, held.source",
        "hold": "points, lots::text, state, captured, until",
        "wallet": "currency, spent, adjusted, transferred, pending, held, debt, next_expiry_at",
        "event": "held.id, occurred_at, properties::text, sent_for",
        "amendment": "event_id, n, kind, sent_for",
        "fact": "held.id, kind, at, rank, cause, n, data::text",
        "reward_given": "reward, sort, key, held.source, given_at, until, count",
        "tier_change": "ladder, changed_at, tier_from, tier_to, qualifying",
        "held_out": "what, definition, points",
    }
    found = await house.outcomes()
    for table, columns in more.items():
        worth = "AND (points, remaining, held.expired) <> (0, 0, 0)" if table == "lot" else ""
        rows = await house.rows(f"SELECT external_id, {columns} FROM {table} AS held {joined} {worth}")
        found[f"{table} in full"] = sorted(rows, key=repr)
    found["member"] = await house.rows(
        "SELECT external_id, timezone, merged_into FROM member WHERE program_id = $1 ORDER BY 1"
    )
    return found


async def test_who_was_never_merged_stands_the_same(two: House) -> None:
    before, items = await stands(two), len(await feed(two, "ann"))
    told = await two.rows("SELECT id, seq FROM event WHERE program_id = $1 ORDER BY 1")
    await merge(two)
    done = await unmerge(two, key="u")
    assert (done.former, done.into, done.replayed) == ("eve", "ann", False)
    assert await stands(two) == before
    assert await two.rows("SELECT id, seq FROM event WHERE program_id = $1 ORDER BY 1") == told
    await is_sound(two)
    assert len([each for each in await feed(two, "ann") if '"unmerged"' in each]) == 1
    assert '"unmerged"' in (await feed(two, "eve"))[-1]
    assert len(await feed(two, "ann")) >= items + 2
    # Done is done: by the same key, and by another.
    assert (await unmerge(two, key="u")).replayed
    again = await unmerge(two)
    assert (again.into, again.at, again.effects, again.others) == ("ann", done.at, (), ())
    assert await stands(two) == before
    # They can be merged, and told apart, as often as anybody likes: the books grow by the same each time.
    sizes = []
    for _ in range(3):
        await merge(two, key=None)
        await is_sound(two)
        await unmerge(two)
        assert await stands(two) == before
        sizes.append((await two.rows("SELECT count(*) FROM transfer WHERE program_id = $1"))[0][0])
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0]
    await is_sound(two)


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_came_between_is_whose_it_was_sent_for(records: Database, seed: int) -> None:
    """A life under two ids, which were one for a while, stands as if they had never been; also when it goes on, and is learned otherwise."""
    apart, parted = await _lives(records, random.Random(seed), late=False)
    first, second = await stands(apart), await stands(parted)
    for table, rows in first.items():
        assert rows == second[table], table


@pytest.mark.parametrize("seed", range(2))
async def test_what_was_learned_late_between_counts_as_if_it_had_come_at_once(records: Database, seed: int) -> None:
    """All but when points end: a lot keeps the dates of its first booking, and what came late or was taken back since is booked together."""
    apart, parted = await _lives(records, random.Random(seed), late=True)
    first, second = await apart.outcomes(), await parted.outcomes()
    for table, rows in first.items():
        short = 3 if table == "wallet" else None
        assert [each[:short] for each in rows] == [each[:short] for each in second[table]], table


async def _lives(records: Database, chance: random.Random, *, late: bool) -> tuple[House, House]:
    """Two programs with one life: in the second, both ids were one for a while."""
    apart, parted = House(records), House(records)
    former, into = chance.sample(["ann", "eve"], 2)
    houses = ((apart, "apart"), (parted, "parted"))
    lives = [
        _life(chance, part, days, order=not late) for part, days in (("a", (1, 28)), ("b", (34, 48)), ("c", (50, 58)))
    ]
    words = [[each for each in life if each[2] == "purchase" and chance.random() < 0.3] for life in lives]
    if late:
        lives[1] += _life(chance, "l", (2, 33), order=False)
    for house, key in houses:
        written = program()
        await house.apply({**written, "program": {**written["program"], "key": key}}, Sandbox(BEGIN))
        await _lived(house, lives[0], words[0])
        where = (house.database, house.cache, house.program)
        await adjustments.adjust_points(*where, AdjustPoints(former, 30, "goodwill"), principal="operator", key=None)
        await set_timezone(*where, SetTimezone(former, "Asia/Tokyo"), principal="shop", key=None)
        await house.advance(AFTER)
    await merge(parted, former, into, key=None)
    for house, _ in houses:
        await _lived(house, [each for each in lives[1] if each[2] == "purchase"], words[1] if late else [])
        await amend(house, purchase("ahead", former, AFTER), {"amount": "33.00", "departments": ["d1"]})
        await house.advance(LATER)
    await is_sound(parted)
    await unmerge(parted, former)
    await is_sound(parted)
    for house, _ in houses:
        ahead = purchase("ahead", former, "2017-04-20T13:00:00Z", "77.00")
        await _lived(house, [ahead, *lives[2]], [*words[2], *words[1], lives[0][-1]])
        await house.advance(MUCH_LATER)
    await is_sound(parted)
    return apart, parted


def _life(chance: random.Random, part: str, days: tuple[int, int], *, order: bool) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = []
    for number in range(11):
        at = BEGIN.replace(2017, 3, 1) + timedelta(days=chance.randint(*days) - 1, hours=chance.randint(0, 23))
        who, amount = chance.choice(["ann", "eve"]), f"{chance.randint(1, 120)}.00"
        told.append(purchase(f"{part}{number}", who, at, amount, f"d{chance.randint(1, 4)}"))
        if number % 5 == 0:
            told.append((f"{part}c{number}", who, "coupon", at.isoformat(), {}))
    return sorted(told, key=lambda it: str(it[3])) if order else told


async def _lived(house: House, life: list[tuple[object, ...]], taken_back: list[tuple[object, ...]]) -> None:
    """As it comes, some at a time: the clock goes on with it, and each word is said a while after its event."""
    for start in range(0, len(life), 4):
        some = life[start : start + 4]
        (clock,) = (await house.rows("SELECT clock FROM program WHERE id = $1"))[0]
        latest = max(str(each[3]) for each in some)
        if periods.rfc3339(latest) > clock:
            await house.advance(latest)
        assert {each.status for each in (await house.send(*some)).receipts} == {"APPLIED"}
    for each in taken_back:
        await amend(house, each)


async def test_points_with_other_origins_and_open_holds_come_apart(two: House) -> None:
    """Facts and lots of the same names in both, points that went from one to the other, and a hold that ends meanwhile."""
    where = (two.database, two.cache, two.program)
    for member in ("ann", "eve"):
        await adjustments.adjust_points(*where, AdjustPoints(member, 50, "goodwill"), principal="operator", key=None)
        zone = SetTimezone(member, "Asia/Tokyo" if member == "eve" else "Europe/Berlin")
        await set_timezone(*where, zone, principal="shop", key=None)
    await transfers.transfer_points(*where, TransferPoints("eve", "ann", 5), principal="shop", key=None)
    await captured(two, "eve")
    await holds.hold_points(*where, HoldPoints("ann", 10, "order", seconds=60 * 60), principal="shop", key=None)
    before = await stands(two)
    await merge(two)
    await unmerge(two)
    assert await stands(two) == before
    await merge(two, key=None)
    await two.advance(LATER)
    await is_sound(two)
    await unmerge(two)
    await is_sound(two)
    states = await two.rows("SELECT state, count(*) FROM hold WHERE program_id = $1 GROUP BY 1 ORDER BY 1")
    assert states == [("captured", 1), ("expired", 1)]


async def test_figures_of_a_closed_month_stay(two: House) -> None:
    await merge(two)
    await two.send(purchase("n1", "eve", AFTER, "60.00"), purchase("n2", "ann", AFTER, "70.00"))
    await two.advance(MUCH_LATER)
    for month in ("2017-03", "2017-04"):
        await close(two, month)
    months = "SELECT period, opening, earned, spent, expired, closing, seal FROM period_close WHERE program_id = $1 ORDER BY 1"
    closed = await two.rows(months)
    await unmerge(two)
    # Verify holds what counts in closed months against what they say.
    await is_sound(two)
    assert await two.rows(months) == closed


async def test_one_after_the_other_is_undone(two: House) -> None:
    """Zoe is a part of Eve, who becomes one of Ann: the last is undone first, and Zoe is Eve's again."""
    await two.send(purchase("z1", "zoe", AFTER), purchase("b1", "bob", AFTER))
    apart = await stands(two)
    await merge(two, "zoe", "eve", key=None)
    await merge(two, "eve", "ann", key=None)
    await merge(two, "bob", "ann", key=None)
    await two.send(purchase("z2", "zoe", AFTER, "20.00"), purchase("e99", "eve", AFTER, "30.00"))
    for former in ("zoe", "eve"):
        await is_refused(two, former, Inseparable.LATER)
    for former in ("bob", "eve", "zoe"):
        await unmerge(two, former)
        await is_sound(two)
    mine = {
        row[0]: row[1]
        for row in await two.rows(
            "SELECT event.id, external_id FROM event JOIN member ON member.program_id = $1 AND member.id = member_id"
        )
    }
    assert (mine["z1"], mine["z2"], mine["e99"], mine["e2"], mine["b1"], mine["a1"]) == (
        "zoe",
        "zoe",
        "eve",
        "eve",
        "bob",
        "ann",
    )
    assert await two.rows("SELECT count(*) FROM event WHERE program_id = $1 AND sent_for IS NOT NULL") == [(0,)]
    for event, member in (("z2", "zoe"), ("e99", "eve")):
        await amend(two, purchase(event, member, AFTER))
    after = await stands(two)
    for table in ("completion", "badge_award", "lot in full", "wallet", "fact in full"):
        assert after[table] == apart[table], table


async def is_refused(house: House, former: str, reason: Inseparable) -> None:
    before = await stands(house)
    with pytest.raises(UnmergeRefused) as refused:
        await unmerge(house, former)
    assert refused.value.reason is reason
    assert await stands(house) == before


async def test_what_rests_on_both_is_not_undone(two: House, monkeypatch: pytest.MonkeyPatch) -> None:
    where = (two.database, two.cache, two.program)
    await is_refused(two, "eve", Inseparable.NOT_MERGED)
    for name, error in (("nobody", NotFound), ("", InvalidInput), ("a\0", InvalidInput)):
        with pytest.raises(error):
            await unmerge(two, name)
    for each in ("spend", "hold", "take", "give", "zone", "long"):
        former = f"former-{each}"
        await two.send(purchase(f"{each}1", former, "2017-04-02T12:00:00Z", "90.00"))
        await two.send(purchase(f"{each}2", f"into-{each}", "2017-04-02T12:00:00Z", "90.00"))
        await merge(two, former, f"into-{each}", key=None)
    await two.send(("s", "former-spend", "coupon", AFTER, {}))
    await holds.hold_points(*where, HoldPoints("into-hold", 10, "order"), principal="shop", key=None)
    for member, points in (("into-take", -10), ("former-give", 10)):
        await adjustments.adjust_points(
            *where, AdjustPoints(member, points, "goodwill"), principal="operator", key=None
        )
    await set_timezone(*where, SetTimezone("into-zone", "Asia/Tokyo"), principal="shop", key=None)
    for each in ("spend", "hold", "take", "give"):
        await is_refused(two, f"former-{each}", Inseparable.SPENT)
    await is_refused(two, "former-zone", Inseparable.DECIDED)
    with monkeypatch.context() as patch:
        patch.setattr(unmerging, "INPUTS_MAX", 1)
        await is_refused(two, "former-long", Inseparable.TOO_LONG)
    await is_sound(two)


async def test_a_board_that_was_closed_on_both_together_is_final(records: Database) -> None:
    house = await with_board(records, prizes=[], close_after_hours=48)
    for number, member in enumerate(("ann", "eve", "bob"), 1):
        await house.send(purchase(f"e{number}", member, f"2017-03-0{number}T12:00:00Z", f"{number}0.00"))
    await house.send(purchase("z", "zoe", "2017-03-07T12:00:00Z"))
    await merge(house, "eve", "ann", key=None)
    await merge(house, "zoe", "bob", key=None)
    await house.advance(CLOSING)
    await is_refused(house, "eve", Inseparable.DECIDED)
    # Nothing of Zoe's is in the week that was closed, and Bob's place in it is his own.
    await unmerge(house, "zoe")
    await is_sound(house)


async def test_who_was_counted_anew_as_one_stays_one(records: Database) -> None:
    house = House(records)
    await house.apply(recounting.program(), Sandbox(BEGIN))
    await house.send(purchase("a", "ann", recounting.day(1)), purchase("e", "eve", recounting.day(2)))
    await merge(house)
    await recounting.publish(house, regular=recounting.since(recounting.REGULAR, name="Two"))
    await is_refused(house, "eve", Inseparable.DECIDED)


async def test_who_was_paid_for_another_as_one_stays_one(records: Database) -> None:
    friends = await with_referrals(records)
    await friends.send(referring("p0", "ann", 1), referring("p9", "eve", 1))
    await merge(friends)
    # Whom Bob names by her former id is paid as who she is, and then that is so.
    await brought(friends, "bob", "eve")
    await settle(friends)
    assert await paid(friends) == {"ann": 500, "bob": 100}
    await is_refused(friends, "eve", Inseparable.DECIDED)
    await is_sound(friends)


async def test_it_happens_once_and_before_or_after_what_else_happens(two: House) -> None:
    """With events under both ids, a spend and another undoing, on connections of their own: one after the other, in some order."""
    where = (two.database, two.cache, two.program)
    await adjustments.adjust_points(*where, AdjustPoints("eve", 50, "goodwill"), principal="operator", key=None)
    await adjustments.adjust_points(*where, AdjustPoints("ann", 50, "goodwill"), principal="operator", key=None)
    for turn in range(4):
        await merge(two, key=None)

        async def shop(who: str, turn: int = turn) -> str:
            intake = Intake(two.database, two.cache)
            (receipt,) = (await two.send(purchase(f"r{turn}{who}", who, AFTER, "10.00"), intake=intake)).receipts
            return receipt.status

        take = AdjustPoints("eve", -1, "goodwill")
        done = await asyncio.gather(
            *(shop("eve"), unmerge(two), shop("ann"), unmerge(two)),
            *((adjustments.adjust_points(*where, take, principal="operator", key=None),) if turn % 2 else ()),
            return_exceptions=True,
        )
        assert [done[0], done[2]] == ["APPLIED", "APPLIED"]
        undone = [each for each in (done[1], done[3]) if isinstance(each, Unmerged)]
        if not undone:
            assert turn % 2
            assert all(isinstance(each, UnmergeRefused) for each in (done[1], done[3]))
            break
        whose = (
            "SELECT event.id, external_id FROM event JOIN member ON member.program_id = $1 AND member.id = member_id"
        )
        mine = dict(await two.rows(f"{whose} WHERE event.program_id = $1 AND event.id LIKE 'r%'"))
        assert (mine[f"r{turn}eve"], mine[f"r{turn}ann"]) == ("eve", "ann")
        await is_sound(two)
    await is_sound(two)


async def test_killed_on_the_way_it_never_began(two: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await merge(two)
    before, dumped = await stands(two), await tables_dumped(two.database, two.program)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("the process was killed here")

    with monkeypatch.context() as patch:
        patch.setattr(unmerges, "part", broken)
        with pytest.raises(ZeroDivisionError):
            await unmerge(two)
    assert await stands(two) == before
    assert await tables_dumped(two.database, two.program) == dumped
    await unmerge(two)
    await is_sound(two)


async def test_who_is_erased_is_told_apart_no_more_and_leaves_nothing(two: House) -> None:
    async def forget(_: int, __: str) -> bool:
        return True

    where = (two.database, two.cache, two.program)
    await two.send(purchase("z1", "zoe", AFTER))
    await merge(two, "zoe", "ann", key=None)
    await unmerge(two, "zoe")
    await merge(two)
    await erasing.erase(*where, "ann")
    with pytest.raises(MemberErased):
        await unmerge(two)
    clear = "DELETE FROM outbox WHERE program_id = $1"
    await two.database.run(lambda unit: unit.execute(clear, unit.program), two.program)
    await erasing.settle(*where, forget, timedelta(0))
    dumped = await tables_dumped(two.database, two.program)
    assert [each for each in ("eve", "ann", "e2", "a1") if f",{each}," in dumped or f'"{each}"' in dumped] == []
    # Zoe is another person by now.
    assert [each.status for each in (await two.send(purchase("z2", "zoe", AFTER))).receipts] == ["APPLIED"]
    await is_sound(two)
