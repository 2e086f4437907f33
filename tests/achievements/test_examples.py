"""The programs in `examples/` do what their stories say: one member followed by hand in each, and a hundred at random.

What the hundred get is counted again from their events, in plain Python that knows nothing of definitions.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, TypeVar

import pytest
from ruamel.yaml import YAML

from achievements import fold
from achievements.controls import seed_of
from achievements.definitions import parse
from achievements.localtime import LocalTime
from achievements.outcomes import (
    AnyOutcome,
    BadgeAwarded,
    ChallengeCompleted,
    Contributed,
    MilestoneReached,
    PointsEarned,
    RewardGiven,
    StreakChanged,
    TierChanged,
)
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from achievements.values import Event
from engagement.cli.documents import read_program
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN
from tests.test_repository import ROOT

MEMBERS = 100
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 100
Kind = TypeVar("Kind", bound=AnyOutcome)
Life = tuple[Sequence[Event], Sequence[AnyOutcome]]


@cache
def program(name: str) -> Rulebook:
    """An example, in force since 1970."""
    return Rulebook(1, [(BEGIN, ready(parse(read_program(ROOT / "examples" / f"{name}.yaml"))))])


def instants(chance: Random, share: float) -> Iterator[datetime]:
    """Instants in order, on about so large a share of the days, one or two on each."""
    for day in range(DAYS):
        if chance.random() < share:
            for hour in sorted(chance.sample(range(6, 22), chance.choice((1, 1, 2)))):
                yield FIRST + timedelta(days=day, hours=hour, minutes=chance.randrange(60))


def _cup(chance: Random) -> tuple[str, dict[str, Any]]:
    drink = chance.choice(("espresso", "espresso", "galao", "latte", "mocha", "tea", "cocoa", "flat white"))
    return "cup", {"drink": drink, "own_cup": chance.random() < 0.3}


def _lesson(chance: Random) -> tuple[str, dict[str, Any]]:
    if chance.random() < 0.3:
        return "practice", {"language": "fr"}
    language = chance.choice(("fr", "fr", "fr", "it", "ja"))
    return "lesson", {"language": language, "mistakes": chance.choice((0, 0, 1, 3)), "weekend": chance.random() < 0.2}


def _shopping(chance: Random) -> tuple[str, dict[str, Any]]:
    kind = chance.choice(("purchase", "purchase", "review", "outfit_shared"))
    if kind == "purchase":
        departments = chance.sample(("shirts", "shoes", "coats", "dresses"), chance.choice((1, 1, 2)))
        amount = Decimal(chance.randrange(500, 8_000)) / 100
        return kind, {"amount": amount, "sale": chance.random() < 0.3, "departments": departments}
    return kind, {"picture": chance.random() < 0.7} if kind == "review" else {}


def _workout(chance: Random) -> tuple[str, dict[str, Any]]:
    sort = chance.choice(("run", "swim", "strength", "strength", "yoga", "row"))
    kilometres = Decimal(chance.randrange(20, 120)) / 10 if sort in ("run", "row") else Decimal(0)
    minutes = chance.randrange(10, 100)
    return "workout", {"minutes": minutes, "kilometres": kilometres, "sort": sort, "hour": chance.randrange(6, 22)}


WAYS: dict[str, Callable[[Random], tuple[str, dict[str, Any]]]] = {
    "coffee-card": _cup,
    "language-app": _lesson,
    "fashion-shop": _shopping,
    "fitness-club": _workout,
}


@cache
def lives(name: str) -> Sequence[Life]:
    """A hundred members of an example: what each did, and what it brought by the end."""
    chance = Random(name)
    return [_lived(program(name), chance, WAYS[name]) for _ in range(MEMBERS)]


def _lived(rulebook: Rulebook, chance: Random, way: Callable[[Random], tuple[str, dict[str, Any]]]) -> Life:
    moments = instants(chance, chance.uniform(0.05, 0.9))
    events = [Event(f"e{number:04}", *_at(way(chance), at)) for number, at in enumerate(moments)]
    state, brought = MemberState.NOTHING, list[AnyOutcome]()
    for each in events:
        state, emitted = fold.apply(rulebook, state, each)
        brought += fold.outcomes_of(emitted)
    _, passed = fold.advance(rulebook, state, FIRST + timedelta(days=DAYS + 60))
    return events, [*brought, *passed]


def _at(done: tuple[str, dict[str, Any]], at: datetime) -> tuple[str, datetime, dict[str, Any]]:
    kind, properties = done
    return kind, at, properties


def of(outcomes: Sequence[AnyOutcome], kind: type[Kind]) -> list[Kind]:
    """The outcomes of one sort."""
    return [each for each in outcomes if isinstance(each, kind)]


def local(name: str, event: Event) -> date:
    """The local date of an event."""
    return date.fromordinal(LocalTime(program(name).latest.zone).day(event.at))


def levels(outcomes: Sequence[AnyOutcome], badge: str) -> set[str]:
    """The levels of a badge that were awarded."""
    return {each.level for each in of(outcomes, BadgeAwarded) if each.badge == badge}


def points(outcomes: Sequence[AnyOutcome], source: str) -> int:
    """What one definition gave."""
    return sum(each.points for each in of(outcomes, PointsEarned) if each.source == source)


def test_ten_cups_are_a_free_one_and_the_next_card_begins() -> None:
    check(
        program("coffee-card"),
        """
        2026-01-04 18:00 | brought by=bea |
        2026-01-05 08:00 | cup drink=espresso own_cup=false | streak weekly 1; referral friend by bea
        2026-01-05 16:00 | cup drink=espresso own_cup=true | badge own-cup first
        2026-01-06 08:00 | cup drink=galao own_cup=false |
        2026-01-07 08:00 | cup drink=latte own_cup=false |
        2026-01-08 08:00 | cup drink=mocha own_cup=false |
        2026-01-09 08:00 | cup drink=tea own_cup=false |
        2026-01-12 08:00 | cup drink=cocoa own_cup=false | streak weekly 2; completed taster; reward voucher cake until 2026-02-12 00:00
        2026-01-13 08:00 | cup drink=espresso own_cup=false |
        2026-01-14 08:00 | cup drink=espresso own_cup=false |
        2026-01-15 08:00 | cup drink=espresso own_cup=false | completed card #1; reward voucher free-cup until 2026-04-15 23:00
        2026-01-16 08:00 | cup drink=espresso own_cup=false |
        2026-01-26 00:00 | | streak weekly 2
        2026-01-26 08:00 | cup drink=espresso own_cup=false | streak weekly 3
        2026-02-09 00:00 | | streak weekly 0
        """,
    )


def test_every_tenth_cup_of_a_hundred_guests_is_free() -> None:
    for events, outcomes in lives("coffee-card"):
        free = [each for each in of(outcomes, RewardGiven) if each.key == "free-cup"]
        own = sum(event.properties["own_cup"] is True for event in events)
        drinks = {event.properties["drink"] for event in events}
        assert len(free) == len(events) // 10 + (own >= 100)
        assert sum(each.key == "cake" for each in of(outcomes, RewardGiven)) == (len(drinks) >= 6)
        assert levels(outcomes, "own-cup") == {
            level for level, target in (("first", 1), ("habit", 25), ("hundred", 100)) if own >= target
        }
    assert 50 < sum(len(events) >= 10 for events, _ in lives("coffee-card")) < MEMBERS


def test_a_learner_keeps_her_days_and_climbs_the_leagues() -> None:
    check(
        program("language-app"),
        """
        2026-01-05 08:00 | lesson language=fr mistakes=0 weekend=false | points +10 lesson; points +5 flawless; streak days 1
        2026-01-06 08:00 | lesson language=fr mistakes=0 weekend=false | points +10 lesson; points +5 flawless; streak days 2
        2026-01-07 08:00 | lesson language=it mistakes=2 weekend=false | points +10 lesson; streak days 3; badge polyglot two
        2026-01-08 08:00 | lesson language=it mistakes=0 weekend=false | points +10 lesson; points +5 flawless; streak days 4; points +5 three-perfect-days; completed three-perfect-days 2026-W02; reward boost good-hand until 2026-01-11 00:00
        2026-01-09 20:00 | | risk days 4
        2026-01-10 00:00 | | streak days 4
        2026-01-10 09:00 | lesson language=fr mistakes=0 weekend=true | points +20 lesson; points +20 flawless; streak days 5
        2026-01-11 09:00 | lesson language=fr mistakes=0 weekend=true | points +20 lesson; points +10 flawless; streak days 6; badge learned hundred; tier league bronze>silver 125
        2026-01-12 20:00 | | risk days 6
        2026-01-13 00:00 | | streak days 0
        2026-01-14 23:00 | !streak_restored streak=days | streak days 6; risk days 6
        2026-01-14 23:30 | practice language=fr | points +5 practice; streak days 7
        2026-01-15 00:00 | | tier league silver>bronze 75
        """,
    )


def test_practice_of_a_day_is_worth_fifty_points_at_most() -> None:
    for events, outcomes in lives("language-app"):
        lessons = [event for event in events if event.type == "lesson"]
        practised = Counter(local("language-app", event) for event in events if event.type == "practice")
        times = [2 if event.properties["weekend"] else 1 for event in lessons]
        assert points(outcomes, "lesson") == 10 * sum(times)
        assert points(outcomes, "practice") == sum(min(50, 5 * count) for count in practised.values())
        assert ("three" in levels(outcomes, "polyglot")) == (len({it.properties["language"] for it in lessons}) == 3)
        perfect = defaultdict[tuple[int, int], set[date]](set)
        for event in lessons:
            if event.properties["mistakes"] == 0:
                day = local("language-app", event)
                perfect[day.isocalendar()[:2]].add(day)
        weeks = sum(len(days) >= 3 for days in perfect.values())
        assert sum(each.challenge == "three-perfect-days" for each in of(outcomes, ChallengeCompleted)) == weeks
        assert bool(levels(outcomes, "scholar")) == (weeks > 0 and "three" in levels(outcomes, "polyglot"))
        months = Counter(local("language-app", event).replace(day=1) for event in lessons)
        steps = Counter(each.milestone for each in of(outcomes, MilestoneReached))
        assert steps == +Counter(
            ten=sum(n >= 10 for n in months.values()), twenty=sum(n >= 20 for n in months.values())
        )
    leagues = ["bronze", "silver", "gold", "diamond"]
    highest = Counter(
        max((each.tier_to for each in of(outcomes, TierChanged)), key=leagues.index, default="bronze")
        for _, outcomes in lives("language-app")
    )
    assert highest["bronze"] > 10
    assert highest["silver"] > 10
    assert highest["diamond"] == 0
    assert max(each.current for _, outcomes in lives("language-app") for each in of(outcomes, StreakChanged)) > 30


def test_a_customer_rises_and_is_kept_until_the_quarter_and_its_grace_are_over() -> None:
    check(
        program("fashion-shop"),
        """
        2026-01-10 12:00 | purchase amount=310.00 sale=false departments=coats, | points +310 euro; tier club member>silver 310
        2026-01-17 12:00 | purchase amount=90.00 sale=true departments=shoes, |
        2026-02-01 18:00 | review picture=true | points +20 review; badge critic first
        2026-02-02 18:00 | review picture=false |
        2026-02-14 12:00 | purchase amount=700.90 sale=false departments=dresses, | points +700 euro; tier club silver>gold 1030; completed wardrobe; reward voucher twenty until 2026-04-15 22:00
        2026-02-20 12:00 | purchase amount=101.00 sale=false departments=shirts, | points +151 euro
        2026-03-01 12:00 | outfit_shared | completed outfit 2026-03; reward draw season
        2026-03-02 12:00 | outfit_shared |
        2027-04-01 00:00 | |
        2027-05-01 00:00 | | tier club gold>member 0
        2027-05-02 12:00 | purchase amount=10.00 sale=true departments=shirts, | completed welcome-back 2027-05; reward voucher twenty until 2027-06-01 22:00
        """,
        MemberState(seed=seed_of("greta")),
    )


def test_a_hundred_customers_earn_at_the_full_price_and_gold_half_as_much_again() -> None:
    for events, outcomes in lives("fashion-shop"):
        pictures = Counter(
            local("fashion-shop", event).replace(day=1) for event in events if event.properties.get("picture")
        )
        assert points(outcomes, "review") == sum(min(60, 20 * count) for count in pictures.values())
        full = [event for event in events if event.properties.get("sale") is False]
        paid = sum(int(event.properties["amount"] * _factor(outcomes, event.at)) for event in full)
        assert points(outcomes, "euro") == paid
        months = {local("fashion-shop", event).replace(day=1) for event in events if event.type == "outfit_shared"}
        assert sum(each.sort == "draw" for each in of(outcomes, RewardGiven)) == len(months)
    changes = [of(outcomes, TierChanged) for _, outcomes in lives("fashion-shop")]
    tiers = Counter(each[-1].tier_to if each else "member" for each in changes)
    assert min(tiers["member"], tiers["silver"], tiers["gold"]) >= 5


def _factor(outcomes: Sequence[AnyOutcome], at: datetime) -> Decimal:
    """What points are multiplied by for the tier held before an instant."""
    held = [each.tier_to for each in of(outcomes, TierChanged) if each.at < at]
    return Decimal("1.5") if held and held[-1] == "gold" else Decimal(1)


def test_a_beginner_makes_a_habit_and_comes_through_the_winter() -> None:
    check(
        program("fitness-club"),
        """
        2026-01-04 12:00 | !joined challenge=summit |
        2026-01-05 06:30 | workout minutes=45 kilometres=8.0 sort=run hour=6 | points +45 minute; streak weeks 1
        2026-01-07 18:00 | workout minutes=90 kilometres=0.0 sort=strength hour=18 | points +90 minute; streak balance 1
        2026-01-07 20:00 | workout minutes=60 kilometres=0.0 sort=yoga hour=20 | points +30 minute
        2026-01-10 06:30 | workout minutes=15 kilometres=2.5 sort=run hour=6 | points +15 minute; completed good-start; reward entitlement guest-pass until 2026-02-10 07:00
        2026-01-13 18:00 | workout minutes=120 kilometres=39.4 sort=bike hour=18 | points +120 minute; streak weeks 2
        2026-01-26 00:00 | | streak weeks 2; streak balance 0
        2026-01-26 09:00 | !streak_restored streak=balance by_staff=1 | streak balance 1
        2026-01-27 18:00 | workout minutes=120 kilometres=0.0 sort=strength hour=18 | points +120 minute; streak weeks 3
        2026-02-03 18:00 | workout minutes=390 kilometres=0.0 sort=strength hour=18 | points +120 minute; streak weeks 4; streak balance 0
        2026-02-10 18:00 | workout minutes=20 kilometres=0.1 sort=row hour=18 | points +20 minute; streak weeks 5; badge all-rounder five; completed winter; points +500 winter; reward entitlement sauna until 2026-05-12 06:00
        """,
    )


def test_a_gym_crosses_the_lake_when_its_members_have_rowed_far_enough_together() -> None:
    """Five gyms of twenty each: what the service adds up for them, and whom it tells, is done by hand here."""
    given: dict[tuple[int, str], dict[int, Decimal]] = defaultdict(dict)
    gyms = [MemberState(team=(f"gym-{number // 20}", FIRST)) for number in range(MEMBERS)]
    for number, (events, _) in enumerate(lives("fitness-club")):
        for event in events:
            gyms[number], emitted = fold.apply(program("fitness-club"), gyms[number], event)
            for each in emitted:
                if isinstance(each, Contributed):
                    given[number // 20, each.period][number] = Decimal(each.amount)
    for (gym, month), members in given.items():
        for number in range(20 * gym, 20 * gym + 20):
            rowed = (
                event.properties["kilometres"]
                for event in lives("fitness-club")[number][0]
                if event.properties["sort"] == "row" and f"{local('fitness-club', event):%Y-%m}" == month
            )
            assert members.get(number, 0) == sum(rowed)
    met = {each for each, members in given.items() if sum(members.values()) >= 300}
    assert 0 < len(met) < len(given)


def test_a_hundred_members_collect_two_hours_a_day_at_most() -> None:
    finished = 0
    for events, outcomes in lives("fitness-club"):
        days = Counter[date]()
        for event in events:
            days[local("fitness-club", event)] += event.properties["minutes"]
        assert points(outcomes, "minute") == sum(min(120, minutes) for minutes in days.values())
        winter = [event for event in events if event.at < datetime(2026, 4, 1, 6, tzinfo=UTC)]
        far = sum(event.properties["kilometres"] for event in winter)
        strong = sum(event.properties["minutes"] for event in winter if event.properties["sort"] == "strength")
        done = {each.challenge for each in of(outcomes, ChallengeCompleted)}
        assert ("winter" in done) == (far >= 50 and strong >= 600)
        early = sum(event.properties["hour"] < 7 for event in events)
        assert levels(outcomes, "early-bird") == {level for level, n in (("five", 5), ("often", 25)) if early >= n}
        finished += "winter" in done
    assert 20 < finished < 80


@pytest.mark.parametrize("name", WAYS)
def test_the_hundred_are_the_same_each_time(name: str) -> None:
    again = Random(name)
    assert _lived(program(name), again, WAYS[name]) == lives(name)[0]


@pytest.mark.parametrize("page", sorted(each.name for each in (ROOT / "docs").glob("*.md")))
def test_programs_that_the_pages_show_have_no_mistake(page: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    for written in (YAML(typ="safe").load(block) for block in blocks):
        if "program" in written:
            ready(parse(written))
