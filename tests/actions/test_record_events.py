"""Recording events: receipts, refusals, repeats, lateness and company, on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from achievements.outcomes import PointsEarned, StreakChanged
from engagement.actions import refolding
from engagement.actions.programs import Programs, Sandbox
from engagement.actions.record_events import Intake
from engagement.errors import InvalidInput
from engagement.records.unit import Database
from tests.achievements.programs import EVERYTHING, document
from tests.actions.conftest import BEGIN, House, kinds, purchase


async def test_a_receipt_tells_what_the_event_brought(house: House) -> None:
    recorded = await house.send(purchase("p1", "ann", "2017-03-01T15:00:00Z", "120.50", "DAIRY"))
    (receipt,) = recorded.receipts
    assert (receipt.index, receipt.id, receipt.member, receipt.status, receipt.replayed) == (
        0,
        "p1",
        "ann",
        "APPLIED",
        False,
    )
    earned = {each.source: each.points for each in receipt.effects if isinstance(each, PointsEarned)}
    assert earned == {"base": 120, "big": 50}
    assert {"StreakChanged", "ChallengeProgressed", "Scored"} <= set(kinds(receipt.effects))
    assert await house.rows("SELECT earned, balance FROM wallet WHERE program_id = $1") == [(170, 170)]
    assert await house.rows(
        "SELECT kind, debit, credit, points FROM transfer WHERE program_id = $1 ORDER BY points"
    ) == [
        ("earn", "issuance", "wallet", 50),
        ("earn", "issuance", "wallet", 120),
    ]


async def test_a_repeat_gives_the_first_reply_again_and_changes_nothing(house: House) -> None:
    first = (await house.send(purchase("p1", "ann", "2017-03-01T15:00:00Z"))).receipts[0]
    await house.send(purchase("p2", "ann", "2017-03-02T15:00:00Z"))
    before = await house.outcomes()
    again = (await house.send(purchase("p1", "ann", "2017-03-01T15:00:00Z"))).receipts[0]
    assert again.replayed
    assert again.effects == first.effects
    assert await house.outcomes() == before


async def test_a_repeat_within_one_request_counts_once(house: House) -> None:
    recorded = await house.send(*[purchase("p1", "ann", "2017-03-01T15:00:00Z")] * 3)
    assert [each.replayed for each in recorded.receipts] == [False, True, True]
    assert [each.index for each in recorded.receipts] == [0, 1, 2]
    assert await house.rows("SELECT earned FROM wallet WHERE program_id = $1") == [(10,)]


async def test_numbers_written_in_another_way_are_the_same_event(house: House) -> None:
    await house.send(
        ("p1", "ann", "purchase", "2017-03-01T15:00:00Z", {"amount": 10, "departments": ["A"], "note": 1.0})
    )
    again = await house.send(
        ("p1", "ann", "purchase", "2017-03-01T16:00:00+01:00", {"note": 1, "departments": ["A"], "amount": 10})
    )
    assert again.receipts[0].replayed


@pytest.mark.parametrize("change", ["instant", "amount", "type"])
async def test_the_same_id_with_other_content_is_a_conflict(house: House, change: str) -> None:
    sent = purchase("p1", "ann", "2017-03-01T15:00:00Z")
    other = {
        "instant": purchase("p1", "ann", "2017-03-01T15:00:01Z"),
        "amount": purchase("p1", "ann", "2017-03-01T15:00:00Z", "10.01"),
        "type": ("p1", "ann", "visit", "2017-03-01T15:00:00Z", sent[4]),
    }[change]
    within_one_request = await house.send(sent, other)
    later = await house.send(other)
    for recorded in (within_one_request, later):
        assert [(each.code, each.field) for each in recorded.refused] == [("EVENT_CONFLICT", "id")]
    assert (await house.send(purchase("p1", "bob", "2017-03-01T15:00:01Z"))).receipts  # Ids are each member's own.


BAD = [
    ((None, "ann", "visit"), "MISSING_ID", "id"),
    (("", "ann", "visit"), "MISSING_ID", "id"),
    ((5, "ann", "visit"), "MISSING_ID", "id"),
    (("x" * 201, "ann", "visit"), "INVALID_ID", "id"),
    (("a\nb", "ann", "visit"), "INVALID_ID", "id"),
    (("a\x00b", "ann", "visit"), "INVALID_ID", "id"),
    (("b1", None, "visit"), "MISSING_ID", "member"),
    (("b1", "ann", "visited"), "UNKNOWN_EVENT_TYPE", "type"),
    (("b1", "ann", None), "UNKNOWN_EVENT_TYPE", "type"),
    (("b1", "ann", "visit", "yesterday"), "INVALID_TIME", "occurredAt"),
    (("b1", "ann", "visit", "0001-01-01T00:00:00Z"), "INVALID_TIME", "occurredAt"),
    (("b1", "ann", "visit", None, "x"), "INVALID_PROPERTIES", "properties"),
    (("b1", "ann", "visit", None, [1]), "INVALID_PROPERTIES", "properties"),
    (("b1", "ann", "visit", None, {"note": "x" * 20_000}), "INVALID_PROPERTIES", "properties"),
    (("b1", "ann", "visit", None, {"note": "\x00"}), "INVALID_PROPERTIES", "properties"),
    (("b1", "ann", "purchase", None, {"amount": "-1.00"}), "INVALID_PROPERTIES", "properties.amount"),
]


async def test_bad_events_are_refused_each_by_itself_and_the_others_taken(house: House) -> None:
    events = [
        event for bad, _, _ in BAD for event in (bad, purchase(f"good-{bad!r}"[:60], "ann", "2017-03-01T15:00:00Z"))
    ]
    distinct = [*events[::2], purchase("good", "ann", "2017-03-01T15:00:00Z")]
    recorded = await house.send(*distinct)
    assert [(each.index, each.code, each.field) for each in recorded.refused] == [
        (index, code, field) for index, (_, code, field) in enumerate(BAD)
    ]
    assert [each.id for each in recorded.receipts] == ["good"]
    assert await house.rows("SELECT id FROM event WHERE program_id = $1") == [("good",)]


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_request_has_1_to_1000_events(house: House, count: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 1000 events"):
        await house.send(*[("x", "ann", "visit")] * count)
    assert await house.rows("SELECT id FROM event WHERE program_id = $1") == []


async def test_outside_a_sandbox_the_clock_bounds_an_event(records: Database) -> None:
    house = House(records)
    await house.apply(document(**EVERYTHING))
    now = datetime.now(UTC)
    recorded = await house.send(
        purchase("ahead", "ann", now + timedelta(minutes=4)),
        purchase("far", "ann", now + timedelta(minutes=6)),
        purchase("ancient", "ann", now - timedelta(days=401)),
        ("undated", "ann", "visit"),
    )
    assert [(each.id, each.code) for each in recorded.refused] == [("far", "TOO_FAR_AHEAD")]
    assert {each.id: each.status for each in recorded.receipts} == {
        "ahead": "APPLIED",
        "ancient": "TOO_LATE",
        "undated": "APPLIED",
    }
    rows = await house.rows(
        "SELECT id, occurred_at = received_at, sent_at > received_at, too_late FROM event WHERE program_id = $1"
    )
    assert set(rows) == {("ahead", True, True, False), ("ancient", False, False, True), ("undated", True, False, False)}
    assert (await house.send(("undated", "ann", "visit"))).receipts[0].replayed
    assert (await house.send(purchase("ancient", "ann", now - timedelta(days=401)))).receipts[0].status == "TOO_LATE"
    assert await house.rows("SELECT earned FROM wallet WHERE program_id = $1") == [(10,)]


async def test_a_late_event_mends_a_streak_and_says_so(house: House) -> None:
    for day in (1, 2, 4, 5):
        await house.send(purchase(f"p{day}", "ann", f"2017-03-0{day}T15:00:00Z"))
    (receipt,) = (await house.send(purchase("p3", "ann", "2017-03-03T15:00:00Z"))).receipts
    daily = [each for each in receipt.effects if isinstance(each, StreakChanged) and each.streak == "daily"]
    assert [each.current for each in daily] == [5]
    earned = {each.source: each.points for each in receipt.effects if isinstance(each, PointsEarned)}
    # The fifth purchase brings its badge; the three days were completed before, if by another event, and are not told anew.
    assert earned == {"base": 10, "purchases": 5}
    assert await house.rows("SELECT event_id FROM completion WHERE program_id = $1 AND challenge = 'days'") == [("p3",)]
    assert await house.rows("SELECT count(*) FROM lot WHERE program_id = $1 AND source = 'days'") == [(1,)]


async def test_the_feed_has_no_gaps(house: House) -> None:
    for day in (9, 1, 5, 3, 7):
        await house.send(*[purchase(f"p{day}{who}", who, f"2017-03-0{day}T15:00:00Z") for who in ("ann", "bob")])
    await house.advance("2018-01-01T00:00:00Z")
    for count, last, seq in await house.rows(
        "SELECT count(*), max(item.seq), max(held.seq) FROM activity AS item JOIN member_state AS held"
        " ON held.program_id = $1 AND held.member_id = item.member_id WHERE item.program_id = $1 GROUP BY item.member_id"
    ):
        assert count == last == seq > 5


def random_events(random: Random, count: int) -> list[tuple[object, ...]]:
    """Purchases and visits of a few members over three months."""
    start = datetime(2017, 2, 1, tzinfo=UTC)
    events: list[tuple[object, ...]] = []
    for number in range(count):
        who, at = random.choice(["ann", "bob", "cid"]), start + timedelta(hours=random.randrange(90 * 24))
        if random.random() < 0.2:
            events.append((f"v{number}", who, "visit", at.isoformat(), {"mood": random.randint(-3, 3)}))
        else:
            amount = random.choice(["0.00", "1.00", "19.99", "100.00", "150.00"])
            events.append(purchase(f"p{number}", who, at, amount, *random.sample(["A", "B", "C", "D", "E"], 2)))
    return events


async def deliver(house: House, events: list[tuple[object, ...]], batch: int) -> None:
    for start in range(0, len(events), batch):
        await house.send(*events[start : start + batch])


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_of_delivery_ends_in_the_same_outcomes(records: Database, seed: int) -> None:
    random = Random(seed)
    events = random_events(random, 150)
    found = []
    for number in range(3):
        house = House(records)
        written = document(**EVERYTHING)
        written["program"]["key"] = f"order-{number}"
        await house.apply(written, Sandbox(BEGIN))
        delivered = sorted(events, key=lambda event: (str(event[3]), str(event[0])))
        if number:
            delivered += random.sample(events, 30)
            random.shuffle(delivered)
        await deliver(house, delivered, random.choice([1, 7, 40]))
        await house.advance("2018-06-01T00:00:00Z")
        found.append(await house.outcomes())
    assert found[1] == found[0]
    assert found[2] == found[0]


async def test_newest_first_ends_right(house: House, records: Database) -> None:
    events = sorted(random_events(Random(9), 400), key=lambda event: str(event[3]), reverse=True)
    await deliver(house, events, 25)
    await house.advance("2018-06-01T00:00:00Z")
    backwards = await house.outcomes()
    other = House(records)
    written = document(**EVERYTHING)
    written["program"]["key"] = "forwards"
    await other.apply(written, Sandbox(BEGIN))
    await deliver(other, events[::-1], 25)
    await other.advance("2018-06-01T00:00:00Z")
    assert backwards == await other.outcomes()


async def test_what_a_late_event_takes_away_the_next_of_its_batch_may_bring_anew(records: Database) -> None:
    found = []
    for size in (1, 2):
        house = House(records)
        written = document(**EVERYTHING)
        written["program"]["key"] = f"mood-{size}"
        await house.apply(written, Sandbox(BEGIN))
        await house.send(visit("v1", "2017-03-02", 3), visit("v2", "2017-03-05", 0))
        await deliver(house, [visit("late", "2017-03-01", -3), visit("v3", "2017-03-06", 3)], size)
        completed = "SELECT event_id FROM completion WHERE program_id = $1 AND challenge = 'mood'"
        assert await house.rows(completed) == [("v3",)]
        found.append(await house.outcomes())
    assert found[0] == found[1]


def visit(identity: str, day: str, mood: int) -> tuple[object, ...]:
    return (identity, "ann", "visit", f"{day}T15:00:00Z", {"mood": mood})


async def test_a_long_history_waits_for_the_worker(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refolding, "REFOLD_INPUTS_MAX", 5)
    events = sorted(random_events(Random(3), 60), key=lambda event: str(event[3]))
    late, in_time = events[:3], events[3:]
    await deliver(house, in_time, 20)
    recorded = await house.send(*late)
    assert {each.status for each in recorded.receipts} == {"PENDING"}
    after = await house.send(purchase("after", str(late[0][1]), "2017-05-30T00:00:00Z"))
    assert after.receipts[0].status == "PENDING"
    await house.advance("2018-06-01T00:00:00Z")
    assert await house.rows("SELECT 1 FROM member_state WHERE program_id = $1 AND pending IS NOT NULL") == []
    waited = await house.outcomes()
    other = House(house.database)
    written = document(**EVERYTHING)
    written["program"]["key"] = "straight"
    await other.apply(written, Sandbox(BEGIN))
    await other.send(*events, purchase("after", str(late[0][1]), "2017-05-30T00:00:00Z"))
    await other.advance("2018-06-01T00:00:00Z")
    assert waited == await other.outcomes()


@pytest.mark.parametrize(("most", "fitting"), [(4, 0), (14, 2)])
async def test_a_batch_folds_again_no_more_than_its_share(
    house: House, monkeypatch: pytest.MonkeyPatch, most: int, fitting: int
) -> None:
    names = ["ann", "bob", "cid", "dan"]
    for who in names:
        await house.send(*[purchase(f"p{day}", who, f"2017-03-0{day}T15:00:00Z") for day in range(2, 7)])
    # Five inputs of each.
    monkeypatch.setattr(refolding, "BATCH_REFOLD_INPUTS_MAX", most)
    late = [purchase("late", who, "2017-03-01T15:00:00Z") for who in names]
    recorded = await house.send(*late)
    assert sorted(each.status for each in recorded.receipts) == ["APPLIED"] * fitting + ["PENDING"] * (4 - fitting)
    await house.advance("2017-03-07T00:00:00Z")
    assert [each.status for each in (await house.send(*late)).receipts] == ["APPLIED"] * 4
    assert await house.rows("SELECT DISTINCT earned FROM wallet WHERE program_id = $1") == [(90,)]


async def test_requests_at_the_same_time_share_batches_and_lose_nothing(house: House) -> None:
    elsewhere = Intake(house.database, Programs())
    requests = [
        [purchase(f"{n}-{k}", f"m{(n + k) % 7}", f"2017-03-{1 + n % 28:02d}T15:00:00Z", "1.00") for k in range(5)]
        for n in range(60)
    ]
    answers = await asyncio.gather(
        *(house.send(*request, intake=intake) for request in requests for intake in (house.intake, elsewhere))
    )
    assert sum(not each.replayed for answer in answers for each in answer.receipts) == 300
    (earned, balance), (lots,) = (
        (await house.rows("SELECT sum(earned)::int, sum(balance)::int FROM wallet WHERE program_id = $1"))[0],
        (await house.rows("SELECT sum(points)::int FROM lot WHERE program_id = $1"))[0],
    )
    assert earned == balance == lots
    lots = "SELECT sum(points)::int FROM lot WHERE program_id = $1 AND source = 'base'"
    assert await house.rows(lots) == [(300,)]
