"""Plans over lots: the order of spending, what ends, and what a smaller earning takes back."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from achievements.lots import Lot, plan_expiry, plan_spending, plan_takeback

START = datetime(2017, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def lot(name: str, points: int = 10, earned: int = 0, expires: int | None = None, event: str = "e", **left: int) -> Lot:
    remaining = left.get("remaining", points)
    expires_at = None if expires is None else day(expires)
    return Lot(name, "points", points, remaining, left.get("expired", 0), day(earned), expires_at, event, "base")


def test_spending_takes_the_soonest_to_expire_then_the_oldest_then_by_event() -> None:
    lots = [
        lot("keeps", earned=0),
        lot("later", earned=0, expires=20),
        lot("tenth-event", earned=2, expires=10, event="p10"),
        lot("second-event", earned=2, expires=10, event="p2"),
        lot("first-event", earned=1, expires=10, event="p9"),
        lot("ended", earned=0, expires=5),
        lot("empty", earned=0, expires=6, remaining=0),
    ]
    plan = plan_spending(lots, 45, day(5))
    # By code point, `p10` comes before `p2`.
    assert [(each.lot.id, each.points) for each in plan] == [
        ("first-event", 10),
        ("tenth-event", 10),
        ("second-event", 10),
        ("later", 10),
        ("keeps", 5),
    ]


def test_a_lot_ends_at_its_instant_and_not_before() -> None:
    lots = [lot("second", expires=10), lot("first", expires=9), lot("keeps"), lot("spent", expires=1, remaining=0)]
    just_before = day(9) - timedelta(microseconds=1)
    assert plan_expiry(lots, just_before) == []
    assert [each.id for each in plan_expiry(lots, day(9))] == ["first"]
    assert [each.id for each in plan_expiry(lots, day(10))] == ["first", "second"]
    assert [each.lot.id for each in plan_spending(lots, 100, just_before)] == ["first", "second", "keeps"]
    assert [each.lot.id for each in plan_spending(lots, 100, day(10))] == ["keeps"]


def test_a_smaller_earning_takes_what_is_left_then_what_expired_then_what_was_spent() -> None:
    spent_and_left = lot("l", points=100, remaining=40)
    assert plan_takeback(spent_and_left, 70) == (30, 0, 0)
    assert plan_takeback(spent_and_left, 0) == (40, 0, 60)
    spent_and_expired = lot("l", points=100, remaining=0, expired=40)
    assert plan_takeback(spent_and_expired, 60) == (0, 40, 0)
    assert plan_takeback(spent_and_expired, 50) == (0, 40, 10)


LOTS = st.lists(
    st.builds(
        lambda n, points, spent, earned, lasts: lot(
            f"l{n}", points, earned, None if lasts is None else earned + lasts, f"e{n % 3}", remaining=points - spent
        ),
        st.integers(0, 99),
        st.integers(5, 50),
        st.integers(0, 5),
        st.integers(0, 20),
        st.none() | st.integers(1, 20),
    ),
    max_size=8,
    unique_by=lambda each: each.id,
)


@given(LOTS, st.integers(0, 300), st.integers(0, 40))
def test_spending_takes_what_was_asked_or_all_there_is_and_never_more_of_a_lot(
    lots: list[Lot], points: int, at: int
) -> None:
    plan = plan_spending(lots, points, day(at))
    there = sum(each.remaining for each in lots if not each.ended(day(at)))
    assert sum(each.points for each in plan) == min(points, there)
    assert all(0 < each.points <= each.lot.remaining for each in plan)
    # All but the last are taken wholly, and nothing that was passed over ends sooner than what was taken.
    assert all(each.points == each.lot.remaining for each in plan[:-1])
    taken = {each.lot.id for each in plan}
    left = [each for each in lots if each.id not in taken and each.remaining and not each.ended(day(at))]
    for each in left:
        for one in plan:
            assert each.expires_at is None or (one.lot.expires_at is not None and one.lot.expires_at <= each.expires_at)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 180))
def test_a_takeback_is_as_if_the_lot_had_been_smaller_from_the_start(
    remaining: int, spent: int, expired: int, to: int
) -> None:
    whole = lot("l", points=remaining + spent + expired, remaining=remaining, expired=expired)
    to = min(to, whole.points)
    plan = plan_takeback(whole, to)
    assert sum(plan) == whole.points - to
    now = msgspec.structs.replace(
        whole, points=to, remaining=remaining - plan.removed, expired=expired - plan.unexpired
    )
    # Spent first: a smaller lot would have given the same points as long as it had any.
    assert now.remaining + now.expired == max(to - spent, 0)
    assert plan.owed == max(spent - to, 0)
    assert plan.removed == remaining or not plan.unexpired
