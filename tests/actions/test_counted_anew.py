"""Publishing what counts the past: everybody is counted anew, once, and keeps what she had unless it is taken back."""

import asyncio
import re
import signal
from datetime import datetime
from pathlib import Path

import pytest

from achievements import periods
from achievements.backtests import Backtest
from achievements.definitions import parse
from achievements.states import BEGINNING
from achievements.tallies import Tally
from achievements.values import Event, Fact
from engagement.actions import jobs, previews, refolding, screens
from engagement.actions.amend_events import Amend, amend
from engagement.actions.programs import Sandbox
from engagement.actions.timezones import SetTimezone, set_timezone
from engagement.embedded import Endpoints
from engagement.errors import InvalidInput, InvalidProgram
from engagement.records.unit import Database, Unit
from engagement.worker import KINDS
from tests.achievements.programs import BEGIN, document
from tests.actions.conftest import House, purchase
from tests.actions.recounting import (
    LADDER,
    LESS,
    RULE,
    SINCE,
    TRIO,
    all_is_well,
    apply,
    balance,
    count_anew,
    day,
    has,
    preview_of,
    program,
    publish,
    read,
    since,
)
from tests.actions.test_jobs import PATIENCE_SECONDS, let_lapse, worker
from tests.actions.test_verify import discrepancies
from tests.conftest import Urls

WORKER = Path(__file__).with_name("recounting_worker.py")


@pytest.fixture
async def shop(records: Database) -> House:
    """Ann bought three times in March, Bob twice, Cora once in February."""
    house = House(records)
    await house.apply(program(), Sandbox(BEGIN))
    await house.send(*(purchase(f"a{number}", "ann", day(number)) for number in (2, 3, 4)))
    await house.send(*(purchase(f"b{number}", "bob", day(number)) for number in (5, 6)))
    await house.send(purchase("c1", "cora", "2017-02-20T12:00:00Z"))
    return house


async def test_a_new_definition_counts_what_was(shop: House) -> None:
    more = since({"key": "pair", "objectives": [{"on": "purchase", "target": 2}], "rewards": [{"points": 5}]})
    applied = await apply(shop, {**program(), "challenges": [TRIO, more]})
    assert applied.job is not None
    assert await has(shop, "completion", "challenge", "bob") == []
    assert await discrepancies(shop) == [], "who was not counted anew yet is as she was"
    await count_anew(shop)
    done = await shop.database.run(lambda unit: jobs.read(unit, applied.job), shop.program, read_only=True)  # type: ignore[arg-type]
    assert (done.state, done.done, done.total, done.result) == ("done", 3, 3, {"members": 3})
    assert await has(shop, "completion", "challenge, event_id", "bob") == [("pair", "b6")]
    assert await balance(shop, "bob") == 20 + 7 + 5
    assert await has(shop, "completion", "challenge, event_id", "ann") == [("pair", "a3"), ("trio", "a4")]
    assert await has(shop, "completion", "challenge", "cora") == []
    await all_is_well(shop)


async def test_a_new_board_ladder_and_boost_count_what_was(shop: House) -> None:
    board = {"key": "month", "measure": {"points": "points"}, "window": {"calendar": "month"}}
    tiers = [{"key": "guest"}, {"key": "friend", "from": 40}]
    ladder = {"key": "year", "measure": {"points": "points"}, "window": {"calendar": "year"}, "tiers": tiers}
    written = {
        **program(),
        "boosts": [since({"key": "double", "factor": 2, "earn_rules": ["base"]}, day(3, 0))],
        "tier_ladders": [*program()["tier_ladders"], since(ladder)],
        "leaderboards": [since(board)],
    }
    await apply(shop, written)
    await count_anew(shop)
    # Ten points on the second of March, and twenty for each event from the third on.
    assert await has(shop, "board_score", "board, period, score::int, reached_at", "ann") == [
        ("month", "2017-03", 50, at(day(4)))
    ]
    assert await has(shop, "board_score", "score::int", "bob") == [(40,)]
    assert await has(shop, "board_score", "score", "cora") == [], "February is before it"
    assert (await has(shop, "tier_change", "ladder, tier_to, changed_at", "bob"))[-1] == ("year", "friend", at(day(6)))
    assert await balance(shop, "ann") == 50 + 100 + 7
    await shop.send(purchase("b0", "bob", day(1)))
    assert await has(shop, "board_score", "score::int", "bob") == [(50,)]
    await all_is_well(shop)


async def test_who_is_no_more_meant_by_a_board_is_on_it_no_more(shop: House) -> None:
    board = {"key": "month", "measure": {"points": "points"}, "window": {"calendar": "month"}}
    await apply(shop, {**program(), "leaderboards": [since(board)]})
    await count_anew(shop)
    assert await has(shop, "board_score", "score::int", "bob") == [(20,)]
    high = since(board, audience="member.tiers.club == 'high'")
    await apply(shop, {**program(), "leaderboards": [high]})
    await count_anew(shop)
    assert await has(shop, "board_score", "score::int", "bob") == []
    assert await discrepancies(shop) == []


async def test_an_edit_gives_what_it_gives_more(shop: House) -> None:
    await publish(shop, rule=since(RULE, earn={"fixed": 15}))
    await count_anew(shop)
    assert await balance(shop, "ann") == 45 + 100 + 7
    assert await balance(shop, "cora") == 10, "from then on, and not before"
    await all_is_well(shop)


async def test_nobody_loses_anything(shop: House) -> None:
    before = await shop.outcomes()
    await publish(shop, **LESS)
    await count_anew(shop)
    after = await shop.outcomes()
    assert {name: rows for name, rows in after.items() if name != "member_state"} == {
        name: rows for name, rows in before.items() if name != "member_state"
    }
    (tier,) = await has(shop, "tier_change", "tier_from, tier_to", "ann")
    assert tier == ("low", "high"), "she has her tier as long as she would have had it"
    (shown,) = await _screens(shop, "ann")
    assert [each.completed_at for each in shown.challenges] == [at(day(4))]
    assert [each.awarded_at for badge in shown.badges for each in badge.levels] == [at(day(3))]
    assert [(each.tier, each.falls_at) for each in shown.tiers] == [("high", at("2017-04-01T04:00:00Z"))]
    await all_is_well(shop)


async def test_who_would_fall_on_several_ladders_keeps_each_of_her_tiers(shop: House) -> None:
    ladders = [{**LADDER, "key": key} for key in ("zenith", "alley")]
    await shop.apply({**program(), "tier_ladders": ladders})
    await shop.send(*(purchase(f"f{number}", "ann", day(number)) for number in (8, 9, 10)))
    less = since(RULE, earn={"fixed": 1})
    await apply(shop, {**program(rule=less), "tier_ladders": ladders})
    await count_anew(shop)
    (shown,) = await _screens(shop, "ann")
    assert [(each.key, each.tier) for each in shown.tiers] == [("alley", "high"), ("zenith", "high")]
    await all_is_well(shop)


async def test_what_goes_on_goes_by_the_new_rules_and_gives_nothing_twice(shop: House) -> None:
    await publish(shop, **LESS)
    await count_anew(shop)
    await shop.send(*(purchase(f"d{number}", "ann", day(number)) for number in (7, 8, 9)))
    # Seven events: the first three as they were, with what they were kept.
    assert await balance(shop, "ann") == 30 + 100 + 7 + 3 * 4
    assert await has(shop, "completion", "challenge, event_id", "ann") == [("trio", "a4")]
    assert await has(shop, "badge_award", "badge, event_id", "ann") == [("regular", "a3")]
    await all_is_well(shop)


async def test_what_is_kept_goes_with_its_event(shop: House) -> None:
    await publish(shop, **LESS)
    await count_anew(shop)
    await amend(shop.database, shop.cache, shop.program, Amend("ann", "a3"), principal="operator")
    # By the new rules two events are worth 4 each; the badge went with the event that brought it, the challenge has another.
    assert await balance(shop, "ann") == 10 + 10 + 100
    assert await has(shop, "badge_award", "badge", "ann") == []
    await amend(shop.database, shop.cache, shop.program, Amend("ann", "a4", {"amount": "3.00"}), principal="operator")
    assert await balance(shop, "ann") == 10 + 4
    await shop.send(*(purchase(f"l{number}", "ann", day(1, number)) for number in range(5)))
    assert await has(shop, "badge_award", "badge, event_id", "ann") == [("regular", "l4")]
    assert await has(shop, "completion", "challenge, event_id", "ann") == [("trio", "l3")]
    assert await balance(shop, "ann") == 10 + 4 + 5 * 4 + 100 + 7
    await all_is_well(shop)


async def test_a_late_event_leaves_it_as_it_was(shop: House) -> None:
    await publish(shop, **LESS)
    await count_anew(shop)
    await shop.send(purchase("late", "ann", day(2, 1)), purchase("older", "ann", "2017-02-10T00:00:00Z"))
    assert await balance(shop, "ann") == 30 + 100 + 7 + 4 + 10
    assert await has(shop, "completion", "challenge, event_id", "ann") == [("trio", "a4")], "as it was kept"
    await all_is_well(shop)


async def test_who_takes_back_takes_it_back(shop: House) -> None:
    await publish(shop, take_back=True, **LESS)
    await count_anew(shop)
    assert await balance(shop, "ann") == 3 * 4
    assert await has(shop, "completion", "challenge", "ann") == []
    assert await has(shop, "badge_award", "badge", "ann") == []
    assert await has(shop, "tier_change", "tier_to", "ann") == []
    await all_is_well(shop)


async def test_another_publication_starts_from_what_is_kept(shop: House) -> None:
    await publish(shop, **LESS)
    # Not counted yet when the next one comes: one after the other is made up for.
    await publish(shop, **{**LESS, "rule": since(RULE, day(3, 0), earn={"fixed": 25})})
    await count_anew(shop)
    assert await balance(shop, "ann") == 10 + 25 + 25 + 100 + 7
    await publish(shop, rule=since(RULE, earn={"fixed": 1}), trio=LESS["trio"], regular=LESS["regular"])
    await count_anew(shop)
    assert await balance(shop, "ann") == 10 + 25 + 25 + 100 + 7
    await shop.send(purchase("e", "ann", day(9)))
    assert await balance(shop, "ann") == 10 + 25 + 25 + 100 + 7 + 1
    await all_is_well(shop)


async def test_points_of_another_currency_come_beside_what_was_given(shop: House) -> None:
    two = [{"key": "points", "expires": {"after_days": 180}}, {"key": "stars"}]
    earning = {**RULE, "earn": {"fixed": 10, "currency": "points"}}
    plain = {**TRIO, "rewards": []}
    written = {**program(rule=earning, trio=plain, regular=None), "currencies": two}
    house = shop
    await house.apply(written, Sandbox(BEGIN))
    await house.send(purchase("s1", "sue", day(8)))
    changed = since({**RULE, "earn": {"fixed": 3, "currency": "stars"}}, day(8, 0))
    applied = await apply(house, {**written, "earn_rules": [changed]}, take_back=True)
    assert applied.job is not None
    await count_anew(house)
    assert sorted(await has(house, "wallet", "currency, balance", "sue")) == [("points", 10), ("stars", 3)]
    await all_is_well(house)


async def test_whoever_is_touched_first_is_counted_anew_first(shop: House) -> None:
    await publish(shop, rule=since(RULE, earn={"fixed": 15}))
    await shop.send(purchase("b7", "bob", day(7)))
    assert await balance(shop, "bob") == 45 + 7 + 100
    await set_timezone(
        shop.database, shop.cache, shop.program, SetTimezone("ann", "Asia/Tokyo"), principal="app", key=None
    )
    assert await balance(shop, "ann") == 45 + 100 + 7
    assert await balance(shop, "cora") == 10
    before = await shop.outcomes()
    await all_is_well(shop)
    await count_anew(shop)
    assert await shop.outcomes() == before
    await all_is_well(shop)


async def test_a_long_history_waits_for_the_worker(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(shop, rule=since(RULE, earn={"fixed": 15}))
    monkeypatch.setattr(refolding, "BATCH_REFOLD_INPUTS_MAX", 2)
    recorded = await shop.send(purchase("a9", "ann", day(9)), purchase("b9", "bob", day(9)))
    assert [each.status for each in recorded.receipts] == ["PENDING", "APPLIED"]
    await all_is_well(shop)
    monkeypatch.undo()
    await count_anew(shop)
    assert await balance(shop, "ann") == 45 + 100 + 7
    await shop.advance(day(10))
    assert await balance(shop, "ann") == 60 + 100 + 7
    await all_is_well(shop)


@pytest.mark.parametrize(
    ("instant", "said"),
    [
        ("2099-01-01T00:00:00Z", "lies in the past"),
        ("2017-02-30T00:00:00Z", "not an instant|no instant|day is out of range"),
    ],
)
async def test_an_instant_that_makes_no_sense_is_refused(shop: House, instant: str, said: str) -> None:
    with pytest.raises(InvalidProgram) as refused:
        await publish(shop, rule=since(RULE, instant))
    (mistake,) = refused.value.mistakes
    assert mistake.path == "earn_rules[0].counts_from"
    assert re.search(said, mistake.message), mistake.message


async def test_what_names_something_newer_cannot_count_from_before_it(shop: House) -> None:
    types = [*document()["event_types"], {"key": "call"}]
    called = since({"key": "called", "on": "call", "earn": {"fixed": 1}})
    with pytest.raises(InvalidProgram, match=r"counts_from.*call"):
        await shop.apply({**program(), "event_types": types, "earn_rules": [RULE, called]})


async def test_a_program_that_begins_now_has_nothing_to_count(records: Database) -> None:
    house = House(records)
    assert (await house.apply(program(rule=since(RULE)), Sandbox(at("2018-01-01T00:00:00Z")))).job is None
    assert (await house.apply(program(rule=since(RULE)))).changes == ()


async def test_trying_it_does_nothing(shop: House) -> None:
    before = await shop.outcomes()
    assert (await publish(shop, dry_run=True, **LESS)).changes
    assert not await jobs.do_next(shop.database, shop.cache, shop.program, KINDS)
    assert await shop.outcomes() == before
    await all_is_well(shop)


async def test_what_would_vanish_is_told_first(shop: House) -> None:
    found = await preview_of(shop, program(**LESS))
    assert (found.members, found.gaining, found.losing) == (3, 0, 2)
    assert {each.definition: (each.losing, each.lost, each.points_lost) for each in found.definitions} == {
        "earn_rules/base": (2, 5, {"points": 5 * 6}),
        "challenges/trio": (1, 2, {"points": 100}),
        "badges/regular": (2, 4, {"points": 14}),
    }
    assert [(each.member, each.count) for each in found.listed] == [("ann", 7), ("bob", 4)]
    assert {"completion of trio", "6 of 10 points of earn_rules/base"} < set(found.listed[0].outcomes)
    more = await preview_of(shop, program(rule=since(RULE, earn={"fixed": 15})))
    (gained,) = more.definitions
    assert (more.gaining, more.losing, gained.gained, gained.points_gained) == (2, 0, 5, {"points": 25})
    assert await discrepancies(shop) == [], "nothing was done"


async def test_nothing_counts_the_past_that_was_not_seen_before(shop: House) -> None:
    document = program(**LESS)
    with pytest.raises(InvalidInput, match="previewProgram"):
        await shop.apply(document)
    asked = await previews.ask(shop.database, shop.program, document)
    with pytest.raises(InvalidInput, match="read it when it is done"):
        await shop.apply(document, preview=asked.id)
    await count_anew(shop)
    with pytest.raises(InvalidInput, match="another document"):
        await shop.apply(program(rule=since(RULE, earn={"fixed": 1})), preview=asked.id)
    await shop.apply(program(rule={**RULE, "name": "Base"}))
    with pytest.raises(InvalidInput, match="was changed since"):
        await shop.apply(document, preview=asked.id)
    with pytest.raises(InvalidInput, match="counts the past"):
        await previews.ask(shop.database, shop.program, program())
    assert await has(shop, "completion", "challenge", "ann") == [("trio",)]


async def test_a_worker_killed_in_the_middle_leaves_the_rest_to_another(
    shop: House, database: Urls, endpoints: Endpoints
) -> None:
    applied = await publish(shop, **LESS)
    assert applied.job is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with worker(database, endpoints.redis_url, "2", script=WORKER) as killed:
            assert killed.stdout is not None
            await killed.stdout.readuntil(b"\nhanging in 2\n")
        assert killed.returncode == -signal.SIGKILL
        held = await read(shop, applied.job)
        assert (held.state, held.done, held.total) == ("running", 1, 3)
        # Two were not counted, and one of them comes before the other worker does.
        await shop.send(purchase("b7", "bob", day(7)), purchase("a7", "ann", day(7)))
        await all_is_well(shop)
        await let_lapse(shop)
        async with worker(database, endpoints.redis_url, script=WORKER):
            while not (done := await read(shop, applied.job)).ended:  # noqa: ASYNC110 — another process ends it.
                await asyncio.sleep(0.05)
    assert (done.state, done.turn) == ("done", 2)
    assert await shop.rows("SELECT count(*) FROM member_state WHERE program_id = $1 AND revision < 2") == [(0,)]
    assert await balance(shop, "ann") == 30 + 100 + 7 + 4
    assert await balance(shop, "bob") == 20 + 7 + 4
    await all_is_well(shop)


async def test_it_gives_what_its_backtest_said(shop: House) -> None:
    drafted = {"key": "pair", "objectives": [{"on": "purchase", "target": 2}], "rewards": [{"points": 5}]}
    tried = Backtest([(BEGINNING, parse(program()))], {"challenges": [drafted]}, at(SINCE), at("2017-03-20T00:00:00Z"))
    tally = Tally()
    for member in ("ann", "bob", "cora"):
        tally_of = await _history(shop, member)
        tried.count(tally, tally_of)
    report = tried.report(tally)
    await apply(shop, {**program(), "challenges": [TRIO, since(drafted)]})
    await count_anew(shop)
    done = await shop.rows("SELECT count(*) FROM completion WHERE program_id = $1 AND challenge = 'pair'")
    given = await shop.rows("SELECT sum(points)::int FROM lot WHERE program_id = $1 AND source = 'pair'")
    (found,) = report.definitions
    assert ([(found.completions,)], [(found.points["points"],)]) == (done, given)
    assert found.completions == 2
    await all_is_well(shop)


async def _history(house: House, member: str) -> list[Event | Fact]:
    rows = await house.rows(
        "SELECT event.id, type, occurred_at FROM event JOIN member ON member.program_id = $1 AND member.id = member_id"
        " WHERE event.program_id = $1 AND external_id = $2 ORDER BY occurred_at",
        member,
    )
    return [Event(name, kind, when, {"departments": []}) for name, kind, when in rows]


async def _screens(house: House, member: str) -> list[screens.Screen]:
    async def work(unit: Unit) -> list[screens.Screen]:
        return await screens.read(unit, await house.cache.load(unit), [await screens.found(unit, member)])

    return await house.database.run(work, house.program, read_only=True)


def at(written: str) -> datetime:
    return periods.rfc3339(written)
