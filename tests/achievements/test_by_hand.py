"""Windows, ladders and freezes held against models that walk day by day and recount everything: slow, and plain to read."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold
from achievements.outcomes import AnyOutcome, ChallengeProgressed, PointsEarned, StreakChanged, TierChanged
from achievements.rulebook import Rulebook, Rules
from achievements.states import MemberState, Tally
from achievements.values import Event
from achievements.windows import sighted
from tests.achievements.programs import rulebook, rules

FIRST = date(2016, 1, 20)
DAYS = 800
Purchases = list[tuple[int, int, int]]
"""Day, hour, points; in order."""

purchases: st.SearchStrategy[Purchases] = st.lists(
    st.tuples(st.integers(0, DAYS - 60), st.integers(0, 23), st.integers(1, 60)),
    max_size=25,
    unique_by=lambda each: each[:2],
).map(sorted)
crowded: st.SearchStrategy[Purchases] = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 23), st.integers(1, 60)), max_size=40, unique_by=lambda each: each[:2]
).map(sorted)
EARN = {"earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]}
NEEDS = {"low": 0, "mid": 50, "high": 110}


def brought(bought: Purchases, /, **sections: Any) -> list[AnyOutcome]:
    """What the fold says to purchases, each of as many dollars as points, in UTC."""
    book = rulebook("UTC", **{**EARN, **sections})
    state, told = MemberState.NOTHING, list[AnyOutcome]()
    for number, (day, hour, points) in enumerate(bought):
        event = Event(f"e{number:03d}", "purchase", instant(day, hour), {"amount": Decimal(points)})
        state, emitted = fold.apply(book, state, event)
        told += fold.outcomes_of(emitted)
    _, passed = fold.advance(book, state, instant(DAYS))
    return [*told, *passed]


def instant(day: int, hour: int = 0) -> datetime:
    return datetime.combine(FIRST + timedelta(days=day), datetime.min.time(), UTC) + timedelta(hours=hour)


def period_of(calendar: str, day: int) -> int:
    local = FIRST + timedelta(days=day)
    return {
        "month": local.year * 12 + local.month,
        "quarter": local.year * 4 + (local.month - 1) // 3,
        "year": local.year,
    }[calendar]


class Climber:
    """A member on a ladder, day by day."""

    def __init__(self, window: dict[str, Any], downgrade: str, review: str, grace: int) -> None:
        self.window, self.downgrade, self.review, self.grace = window, downgrade, review, grace
        self.earned: list[tuple[int, int]] = []
        self.tier, self.since = "low", 0
        self.falls_on: int | None = None
        self.short_since: int | None = None
        self.changes: list[tuple[datetime, str, str, int]] = []

    def points(self, day: int) -> int:
        if "days" in self.window:
            return sum(points for at, points in self.earned if day - self.window["days"] < at <= day)
        calendar = self.window["calendar"]
        return sum(points for at, points in self.earned if period_of(calendar, at) == period_of(calendar, day))

    def midnight(self, day: int) -> None:
        need, points = NEEDS[self.tier], self.points(day)
        calendar = self.window.get("calendar")
        if calendar and self.downgrade == "at_period_end":
            ended = self.points(day - 1)
            if self.falls_on is None and period_of(calendar, day) != period_of(calendar, day - 1) and ended < need:
                self.falls_on = day + self.grace
            if self.falls_on == day:
                before = max(
                    sum(p for at, p in self.earned if period_of(calendar, at) == period_of(calendar, day) - 1), points
                )
                self._fall(day, before)
            return
        if points < need and self.short_since is None:
            self.short_since = day
        if self.short_since is not None and self.falls_on is None and self._reviewed(day):
            self.falls_on = day + self.grace
        if self.falls_on == day:
            self._fall(day, points)

    def _reviewed(self, day: int) -> bool:
        today, since = FIRST + timedelta(days=day), FIRST + timedelta(days=self.since)
        if self.downgrade == "at_period_end":
            return period_of(self.review, day) != period_of(self.review, day - 1)
        if self.downgrade == "at_anniversary":
            leap = (since.month, since.day) == (2, 29) and today.year % 4 != 0
            returns = (3, 1) if leap else (since.month, since.day)
            return (today.month, today.day) == returns and today.year > since.year
        return self.downgrade == "at_once"

    def earn(self, day: int, hour: int, points: int) -> None:
        self.earned.append((day, points))
        total = self.points(day)
        fit = max((each for each in NEEDS if NEEDS[each] <= total), key=lambda each: NEEDS[each])
        if NEEDS[fit] > NEEDS[self.tier]:
            self.changes.append((instant(day, hour), self.tier, fit, total))
            self.tier, self.since, self.falls_on, self.short_since = fit, day, None, None
        elif total >= NEEDS[self.tier]:
            self.falls_on = self.short_since = None

    def _fall(self, day: int, points: int) -> None:
        fit = max((each for each in NEEDS if NEEDS[each] <= points), key=lambda each: NEEDS[each])
        self.changes.append((instant(day), self.tier, fit, points))
        self.tier, self.since, self.falls_on, self.short_since = fit, day, None, None


LADDERS: list[tuple[dict[str, Any], str, str | None, int]] = [
    ({"days": 30}, "at_once", None, 0),
    ({"days": 30}, "at_once", None, 7),
    ({"days": 30}, "at_period_end", "month", 0),
    ({"days": 45}, "at_period_end", "quarter", 10),
    ({"days": 90}, "at_period_end", "year", 0),
    ({"days": 60}, "at_anniversary", None, 0),
    ({"days": 60}, "at_anniversary", None, 30),
    ({"days": 30}, "never", None, 0),
    ({"calendar": "month"}, "at_once", None, 0),
    ({"calendar": "month"}, "at_once", None, 12),
    ({"calendar": "quarter"}, "at_period_end", None, 0),
    ({"calendar": "month"}, "at_period_end", None, 5),
    ({"calendar": "year"}, "at_period_end", None, 0),
]


@pytest.mark.parametrize(("window", "downgrade", "period", "grace"), LADDERS)
@settings(max_examples=40, deadline=None)
@given(bought=purchases)
def test_a_ladder_day_by_day(
    window: dict[str, Any], downgrade: str, period: str | None, grace: int, bought: Purchases
) -> None:
    climber = Climber(window, downgrade, period or "", grace)
    ahead = list(bought)
    for day in range(DAYS + 1):
        climber.midnight(day)
        while ahead and ahead[0][0] == day:
            climber.earn(*ahead.pop(0))
    ladder = {
        "key": "l",
        "measure": {"points": "points"},
        "window": window,
        "tiers": [{"key": key, **({"from": start} if start else {})} for key, start in NEEDS.items()],
        "downgrade": downgrade,
        **({"period": period} if period else {}),
        **({"grace_days": grace} if grace else {}),
    }
    told = [
        (each.at, each.tier_from, each.tier_to, each.qualifying)
        for each in brought(bought, tier_ladders=[ladder])
        if isinstance(each, TierChanged)
    ]
    assert told == climber.changes


@settings(max_examples=60, deadline=None)
@given(bought=crowded, length=st.integers(1, 20), hours=st.booleans())
def test_a_window_that_rolls_counts_what_is_in_it(bought: Purchases, length: int, *, hours: bool) -> None:
    window = {"hours": length * 7} if hours else {"days": length}
    measures: dict[str, Any] = {
        "sum": {"measure": {"sum": "amount"}, "on": "purchase"},
        "count": {"on": "purchase"},
        "days": {"measure": {"distinct": "local_day"}, "on": "purchase"},
        "points": {"measure": {"points": "points"}},
    }
    challenges = [
        {"key": key, "window": window, "objectives": [{**measure, "target": 1000}]} for key, measure in measures.items()
    ]
    told: dict[str, list[object]] = {key: [] for key in measures}
    for each in brought(bought, challenges=challenges):
        if isinstance(each, ChallengeProgressed):
            told[each.challenge].append(each.current[0])
    for number, (day, hour, _) in enumerate(bought):
        within = [
            each
            for each in bought[: number + 1]
            if (
                instant(day, hour) - instant(each[0], each[1]) < timedelta(hours=length * 7)
                if hours
                else each[0] > day - length
            )
        ]
        spent = sum(points for _, _, points in within)
        assert told["sum"][number] == told["points"][number] == spent
        assert told["count"][number] == len(within)
        assert told["days"][number] == len({each[0] for each in within})


def test_a_tally_over_hours_stays_small_however_much_is_counted() -> None:
    bought = [(minute // 1440, minute // 60 % 24, 1) for minute in range(1_500)]
    challenge = {"key": "c", "window": {"hours": 2000}, "objectives": [{"on": "purchase", "target": 100_000}]}
    book = rulebook("UTC", challenges=[challenge])
    state = MemberState.NOTHING
    for minute in range(len(bought)):
        at = instant(0) + timedelta(minutes=minute)
        state, _ = fold.apply(book, state, Event(f"e{minute:05d}", "purchase", at, {}))
    tally = state.parts["challenges/c"].tallies[0]  # type: ignore[union-attr]
    assert (tally.amount, len(tally.marks) <= 1_000) == (1_500, True)


@given(
    seen=st.lists(st.tuples(st.integers(0, 30), st.lists(st.sampled_from("abcdef"), max_size=6))).map(
        lambda each: sorted(each, key=lambda one: one[0])
    ),
    length=st.integers(1, 12),
    target=st.integers(1, 5),
)
def test_different_values_in_a_window_are_kept_up_to_the_target(
    seen: list[tuple[int, list[str]]], length: int, target: int
) -> None:
    tally = Tally()
    for number, (day, values) in enumerate(seen):
        tally = sighted(tally, day, values, length, target)
        within = {value for then, some in seen[: number + 1] if then > day - length for value in some}
        assert tally.amount == len(tally.seen) == len(tally.marks) == min(len(within), target)


@settings(max_examples=100, deadline=None)
@given(
    active=st.sets(st.integers(0, 60)),
    freezes=st.sampled_from([(2, None), (4, None), (0, (1, 3, 2)), (0, (0, 1, 1)), (0, (2, 9, 4))]),
)
def test_freezes_day_by_day(active: set[int], freezes: tuple[int, tuple[int, int, int] | None]) -> None:
    cooldown, earned = freezes
    written = (
        {"cooldown": cooldown}
        if earned is None
        else dict(zip(("start", "earn_every", "hold_at_most"), earned, strict=True))
    )
    streak = {"key": "s", "on": "purchase", "period": "day", "freezes": written}
    current = longest = used = 0
    last_frozen: int | None = None
    held = earned[0] if earned else 0
    expected: list[tuple[datetime, int, int, int]] = []
    for day in range(DAYS):
        if day in active:
            current += 1
            longest = max(longest, current)
            if earned and current % earned[1] == 0:
                held = min(held + 1, earned[2])
            expected.append((instant(day, 9), current, longest, used))
        elif current:
            frozen = held > 0 if earned else last_frozen is None or day - last_frozen >= cooldown
            if frozen:
                used, last_frozen, held = used + 1, day, held - 1 if earned else 0
            else:
                current = 0
            expected.append((instant(day + 1), current, longest, used))
    told = [
        (each.at, each.current, each.longest, each.freezes_used)
        for each in brought([(day, 9, 1) for day in sorted(active)], streaks=[streak])
        if isinstance(each, StreakChanged)
    ]
    assert told == expected


@settings(max_examples=60, deadline=None)
@given(bought=crowded, window=st.sampled_from([{"days": 5}, {"calendar": "week"}, {"hours": 50}, "lifetime"]))
def test_a_limit_is_never_passed_and_never_wasted(bought: Purchases, window: Any) -> None:
    limits = {"per_event": 40, "per_member": {"points": 90, "window": window}}
    rule = {"key": "cut", "on": "purchase", "earn": {"per": "amount"}, "limits": limits}
    given_by_event = {
        each.event_id: each.points for each in brought(bought, earn_rules=[rule]) if isinstance(each, PointsEarned)
    }
    granted: list[tuple[int, int, int]] = []
    for number, (day, hour, points) in enumerate(bought):
        within = sum(got for at_day, at_hour, got in granted if _same(window, (at_day, at_hour), (day, hour)))
        allowed = min(points, 40, 90 - within)
        assert given_by_event.get(f"e{number:03d}", 0) == allowed
        granted.append((day, hour, allowed))


def _same(window: Any, earlier: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether what was granted then still counts now."""
    if window == "lifetime":
        return True
    if "days" in window:
        return earlier[0] > now[0] - int(window["days"])
    if "hours" in window:
        return instant(*now) - instant(*earlier) < timedelta(hours=window["hours"])
    monday = [(FIRST + timedelta(days=day)).isocalendar()[:2] for day, _ in (earlier, now)]
    return monday[0] == monday[1]


def test_a_limit_with_another_window_starts_anew() -> None:
    def book(window: Any) -> Rules:
        limits = {"per_member": {"points": 50, "window": window}}
        return rules("UTC", earn_rules=[{"key": "cut", "on": "purchase", "earn": {"fixed": 50}, "limits": limits}])

    ways: list[Any] = ["lifetime", {"days": 3}, {"hours": 100}, {"days": 3}, {"calendar": "year"}, {"hours": 5}]
    line = Rulebook(1, [(instant(number), book(window)) for number, window in enumerate(ways)])
    state = MemberState.NOTHING
    for number in range(len(ways)):
        for again in range(2):
            event = Event(f"e{number}{again}", "purchase", instant(number, again), {})
            state, emitted = fold.apply(line, state, event)
            assert [each.points for each in emitted if isinstance(each, PointsEarned)] == ([] if again else [50])


NEARLY = "0." + "9" * 40


@pytest.mark.parametrize(
    ("earn", "boosts"),
    [
        ({"per": "amount", "rate": NEARLY}, []),
        ({"per": "amount", "bands": [{"from": 0, "rate": NEARLY}]}, []),
        ({"per": "amount"}, [{"key": "b", "factor": NEARLY, "stacking": "additive"}]),
    ],
)
def test_nothing_is_rounded_before_the_points_are(earn: dict[str, Any], boosts: list[dict[str, Any]]) -> None:
    rules = [{"key": "base", "on": "purchase", "earn": earn}]
    earned = [
        each.points for each in brought([(0, 0, 60)], earn_rules=rules, boosts=boosts) if isinstance(each, PointsEarned)
    ]
    assert earned == [59]


def test_an_input_out_of_order_is_not_applied() -> None:
    book = rulebook("UTC", **EARN)
    state, _ = fold.apply(book, MemberState.NOTHING, Event("later", "purchase", instant(2), {"amount": Decimal(1)}))
    with pytest.raises(ValueError, match="an input out of order needs a refold"):
        fold.apply(book, state, Event("earlier", "purchase", instant(1), {"amount": Decimal(1)}))
