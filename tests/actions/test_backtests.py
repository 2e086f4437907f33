"""Backtests in the service: what the command line tells, what publishing would have given, and nothing touched on the way."""

import json
import uuid
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from achievements.backtests import Backtest
from achievements.definitions import parse
from achievements.outcomes import PointsEarned
from achievements.periods import rfc3339
from achievements.states import BEGINNING
from achievements.tallies import Report
from achievements.trials import origin_of
from engagement.actions import attributes, backtests, jobs, timezones
from engagement.actions.attributes import SetAttributes
from engagement.actions.backtests import StartBacktest
from engagement.actions.jobs import JobNotFound
from engagement.actions.programs import Sandbox
from engagement.actions.tiers import GrantTier, grant_tier
from engagement.actions.timezones import SetTimezone
from engagement.cli.trying import Folding
from engagement.errors import IdempotencyKeyReused, InvalidInput, InvalidProgram
from engagement.records import jobs as records
from engagement.records import ledger, members
from engagement.records.jobs import Job
from engagement.records.unit import Database, Unit
from tests.achievements.programs import EVERYTHING, QUALIFYING, TIERS, document
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_jobs import stands
from tests.actions.test_record_events import deliver, random_events

PATIENCE_SECONDS = 60.0
DRAFT: dict[str, Any] = {
    "challenges": [
        {
            "key": "drafted",
            "objectives": [{**QUALIFYING, "measure": {"sum": "amount"}, "target": 300}],
            "window": {"calendar": "month"},
            "rewards": [{"points": 30}],
        }
    ],
    "boosts": [{"key": "double", "factor": 2, "on": "purchase", "when": "event.amount >= 100.0"}],
}
AMENDED = {"amount": "120.00", "departments": ["E"]}
SINCE, UNTIL = rfc3339("2017-02-20T00:00:00Z"), rfc3339("2017-04-20T00:00:00Z")
COMMAND = StartBacktest(DRAFT, SINCE, UNTIL, {"points": Decimal("0.05")}, {"points": 90})
KINDS = {backtests.KIND: backtests.run}


async def ask(house: House, command: StartBacktest = COMMAND, key: str | None = None) -> Job:
    started = await backtests.start(
        house.database, house.cache, house.program, command, principal="staff", key=key or uuid.uuid4().hex
    )
    return started.job


async def told(house: House, job_id: UUID) -> Report:
    """The report of a backtest that is asked for and not done yet."""
    assert await jobs.do_next(house.database, house.cache, house.program, KINDS)
    job = await stands(house, job_id)
    assert job.state == "done", job.problem
    report = backtests.report_of(job)
    assert report is not None
    return report


async def tables(house: House) -> dict[str, str]:
    """What every table of the program holds, but for jobs and idempotency keys."""
    names = await house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND $1::int IS NOT NULL")
    return {
        name: str(
            await house.rows(
                f"SELECT $1::int, md5(string_agg(held::text, ' ' ORDER BY held::text)) FROM {name} AS held"
            )
        )
        for (name,) in names
        if name not in ("job", "idempotency", "credential", "schema_migration", "tortoise_migrations")
    }


async def test_it_tells_what_the_command_line_tells(house: House, tmp_path: Path) -> None:
    random = Random(7)
    events = random_events(random, 150)
    await deliver(house, events, 30)
    reversed_, amended = set(range(0, 150, 9)), set(range(4, 150, 9))
    truth = []
    for number, (identity, member, kind, at, properties) in enumerate(events):
        event = {"event_id": identity, "member_id": member, "type": kind, "occurred_at": at, **dict(properties)}  # type: ignore[call-overload]
        if number in reversed_:
            await amend(house, events[number])
            continue
        if number in amended and kind == "purchase":
            await amend(house, events[number], {"amount": "70.00"})
            await amend(house, events[number], AMENDED)
            truth.append({**event, **AMENDED})
            continue
        truth.append(event)
    before = await tables(house)
    assert len(before) > 20
    report = await told(house, (await ask(house)).id)
    assert await tables(house) == before
    random.shuffle(truth)
    (part := tmp_path / "part").write_text("".join(json.dumps(each) + "\n" for each in truth))
    written = document(**EVERYTHING)
    trial = Backtest([(BEGINNING, parse(written))], DRAFT, SINCE, UNTIL)
    counted = Folding(written, DRAFT, SINCE, UNTIL)(part)
    expected = trial.report(counted.tally, values=COMMAND.values, budgets=COMMAND.budgets)
    assert msgspec.to_builtins(report) == msgspec.to_builtins(expected)
    drafted = next(each for each in report.definitions if each.key == "drafted")
    assert drafted.completions > 3
    assert drafted.curve is not None
    assert report.elsewhere["points"] > 0


CLUB: dict[str, Any] = {
    "attributes": [{"key": "city", "type": "string"}],
    "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
    "tier_ladders": [{"key": "club", "measure": {"points": "points"}, "window": {"days": 30}, "tiers": TIERS}],
}
IN_ROME: dict[str, Any] = {
    "challenges": [
        {
            "key": "drafted",
            "audience": "has(member.city) && member.city == 'rome'",
            "objectives": [{"on": "purchase", "measure": {"distinct": "local_day"}, "target": 2}],
            "window": {"calendar": "week"},
            "rewards": [{"points": 30}],
        }
    ],
    "earn_rules": [{"key": "golden", "on": "purchase", "when": "member.tiers['club'] == 'gold'", "earn": {"fixed": 7}}],
}


async def live(house: House, changed: dict[str, Any], published: bool) -> None:
    """A year under a program that is changed on the way; where the draft is published, from its instant on."""
    commands = (house.database, house.cache, house.program)

    async def step(at: str, sections: dict[str, list[Any]]) -> None:
        await house.advance(at)
        more: dict[str, list[Any]] = IN_ROME if published else {}
        whole = {name: [*sections.get(name, []), *more.get(name, [])] for name in {**sections, **more}}
        await house.apply(document(**whole))

    days = [
        purchase(f"{who}{day}", who, f"2017-03-{day:02d}T23:30:00Z", "40.00")
        for day in range(1, 29)
        for who in ("ann", "bob")
    ]
    await house.send(*days[:8])
    await step("2017-03-06T00:00:00Z", CLUB)
    for who, zone in (("ann", "Asia/Tokyo"), ("bob", "America/New_York")):
        await timezones.set_timezone(*commands, SetTimezone(who, zone), principal="shop", key=None)
        await attributes.set_attributes(*commands, SetAttributes(who, {"city": "rome"}), principal="shop", key=None)
    await house.send(*days[10:28])
    await step("2017-03-15T00:00:00Z", changed)
    await grant_tier(*commands, GrantTier("bob", "club", "gold", 3), principal="shop", key=None)
    await attributes.set_attributes(*commands, SetAttributes("ann", {"city": None}), principal="shop", key=None)
    await house.send(*days[28:], purchase("late", "bob", "2017-03-07T12:00:00Z", "9.00"))
    await amend(house, days[20])
    await house.advance("2017-04-01T00:00:00Z")


async def test_it_is_what_publishing_then_would_have_given(records: Database) -> None:
    # Fewer points from the fifteenth on, and a challenge that was not there before.
    changed = {
        **CLUB,
        "earn_rules": [{"key": "base", "on": "purchase", "earn": {"fixed": 11}}],
        "challenges": [{"key": "three", "objectives": [{"on": "purchase", "target": 3}]}],
    }
    tried, published = House(records), House(records)
    for house, name in ((tried, "tried"), (published, "published")):
        await house.apply({**document(**CLUB), "program": {"key": name, "timezone": "UTC"}}, Sandbox(BEGIN))
    for house, name in ((tried, "tried"), (published, "published")):
        apply = house.apply

        async def named(written: dict[str, Any], apply: Any = apply, name: str = name) -> Any:
            return await apply({**written, "program": {"key": name, "timezone": "UTC"}})

        house.apply = named  # type: ignore[method-assign, assignment]
        await live(house, changed, published=house is published)
    since, until = rfc3339("2017-03-06T00:00:00Z"), rfc3339("2017-04-01T00:00:00Z") + timedelta(microseconds=1)
    report = await told(tried, (await ask(tried, StartBacktest(IN_ROME, since, until))).id)
    given = {each.key: each for each in report.definitions}
    completions = await published.rows(
        "SELECT count(*)::int FROM completion WHERE program_id = $1 AND challenge = 'drafted'"
    )
    assert [(given["drafted"].completions,)] == completions
    assert given["drafted"].completions > 3
    points = Counter[str]()
    for house, sign in ((published, 1), (tried, -1)):
        for each in await earned(house):
            _, key = origin_of(each.lot)
            points[key if key in given else "elsewhere"] += sign * each.points
    assert {key: each.points.get("points", 0) for key, each in given.items()} == {key: points[key] for key in given}
    assert given["golden"].points["points"] > 0
    assert report.elsewhere.get("points", 0) == points["elsewhere"]
    held = [await tiers(house) for house in (published, tried)]
    told_of = {each.tier: [each.members, each.without] for each in report.tiers}
    assert told_of == {key: [each[key] for each in held] for key in ("bronze", "silver", "gold")}


async def earned(house: House) -> list[PointsEarned]:
    async def work(unit: Unit) -> list[PointsEarned]:
        lots = await ledger.earned(unit, [each.id for each in await members.page(unit, None, 100)])
        return [each for held in lots.values() for each in held]

    return await house.database.run(work, house.program)


async def tiers(house: House) -> Counter[str]:
    """How many members hold each tier of the only ladder."""

    async def work(unit: Unit) -> Counter[str]:
        ((name, ladder),) = (await house.cache.load(unit)).rulebook.latest.ladders
        ids = [each.id for each in await members.page(unit, None, 100)]
        return Counter(ladder.tier(each.state.parts.get(name)) for each in (await members.states(unit, ids)).values())

    return await house.database.run(work, house.program)


@pytest.mark.parametrize(
    ("change", "refused", "where"),
    [
        ({"draft": {}}, InvalidProgram, ["draft"]),
        (
            {"draft": {"badges": [{"key": "b", "on": "swim", "levels": [{"target": 1}]}]}},
            InvalidProgram,
            ["badges[0].on"],
        ),
        (
            {"draft": {"streaks": [{"key": "daily", **QUALIFYING, "period": "week"}]}},
            InvalidProgram,
            ["streaks[0].period"],
        ),
        ({"draft": {"badges": [{"key": "\ud800"}]}}, InvalidProgram, ["program"]),
        ({"until": SINCE}, InvalidInput, "to"),
        ({"values": {"gems": Decimal(1)}}, InvalidInput, "pointValues"),
        ({"values": {"points": Decimal("-0.01")}}, InvalidInput, "pointValues"),
        ({"values": {"points": Decimal("NaN")}}, InvalidInput, "pointValues"),
        ({"budgets": {"gems": 1}}, InvalidInput, "budgets"),
        ({"budgets": {"points": 0}}, InvalidInput, "budgets"),
    ],
)
async def test_what_cannot_be_tried_is_refused(house: House, change: Any, refused: Any, where: object) -> None:
    with pytest.raises(refused) as told:
        await ask(house, msgspec.structs.replace(COMMAND, **change))
    error = told.value
    assert ([each.path for each in error.mistakes] if isinstance(error, InvalidProgram) else error.field) == where
    assert not await jobs.do_next(house.database, house.cache, house.program, KINDS)


async def test_a_draft_needs_what_the_program_had_then(records: Database) -> None:
    house = House(records)
    await house.apply(document(), Sandbox(rfc3339("2017-02-01T00:00:00Z")))
    await house.advance("2017-03-01T00:00:00Z")
    swims = document()
    swims["event_types"].append({"key": "swim"})
    await house.apply(swims)
    await house.send(("s1", "ann", "swim", "2017-03-05T10:00:00Z", {}))
    draft = {"badges": [{"key": "swimmer", "on": "swim", "levels": [{"target": 1}]}]}
    with pytest.raises(InvalidProgram) as told_why:
        await ask(house, StartBacktest(draft, SINCE, UNTIL))
    (mistake,) = told_why.value.mistakes
    assert mistake.path == "badges[0].on"
    assert mistake.message.startswith("in the program as it was from 2017-02-20T00:00:00Z on: no event type `swim`")
    later = StartBacktest(draft, rfc3339("2017-03-01T00:00:00Z"), UNTIL)
    (found,) = (await told(house, (await ask(house, later)).id)).definitions
    assert found.completions == 1
    # Before it began, the program is taken to have been as it is now.
    await house.send(("s9", "bob", "swim", "2017-01-05T10:00:00Z", {}))
    early = StartBacktest(draft, BEGIN, rfc3339("2017-02-01T00:00:00Z"))
    (found,) = (await told(house, (await ask(house, early)).id)).definitions
    assert found.completions == 1


async def test_a_key_asks_for_one_backtest(house: House) -> None:
    first = await ask(house, key="k")
    again = await backtests.start(house.database, house.cache, house.program, COMMAND, principal="staff", key="k")
    assert (again.job.id, again.replayed) == (first.id, True)
    with pytest.raises(IdempotencyKeyReused):
        await ask(house, msgspec.structs.replace(COMMAND, since=BEGIN), key="k")


async def test_nothing_has_happened_ahead_of_the_present(records: Database) -> None:
    house = House(records)
    await house.apply(document(**CLUB))
    with pytest.raises(InvalidInput, match="ahead of the program's present"):
        await ask(house, StartBacktest(IN_ROME, BEGIN, rfc3339("2200-01-01T00:00:00Z")))
    empty = await told(house, (await ask(house, StartBacktest(IN_ROME, BEGIN, SINCE))).id)
    assert (empty.members, empty.events, len(empty.definitions)) == (0, 0, 2)


async def test_a_job_of_another_kind_is_no_backtest(house: House) -> None:
    other = await house.database.run(lambda unit: records.ask(unit, uuid.uuid4(), "count", None), house.program)
    for job_id in (other.id, uuid.uuid4()):
        with pytest.raises(JobNotFound):
            await house.database.run(lambda unit, job_id=job_id: backtests.read(unit, job_id), house.program)  # type: ignore[misc]
