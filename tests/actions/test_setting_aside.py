"""What is set aside in a purse, and what waits in it: neither can be spent, and each becomes free once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from achievements.lots import Lot
from achievements.movements import HoldEnded, PointsReleased
from achievements.outcomes import PointsEarned, PointsExpired
from achievements.points import Dates
from engagement.actions.accounts import NotCovered
from engagement.actions.purse import Purse
from engagement.records.holds import Hold
from engagement.records.ledger import AtHand

NOON = datetime(2017, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ID = UUID(int=7)


def purse(*lots: tuple[str, int, datetime | None]) -> Purse:
    """A wallet of lots, each with its points and its end."""
    made = Purse(UUID(int=1), {"points": (sum(points for _, points, _ in lots), 0)}, NOON)
    held = [Lot(name, "points", points, points, 0, NOON, end, "e", "base") for name, points, end in lots]
    made.bring(AtHand(held, {}, []), complete=True)
    return made


def hold(made: Purse, points: int, hours: int = 1) -> Hold:
    return made.hold(ID, "points", points, "coffee", NOON, NOON + hours * HOUR)


def left(made: Purse) -> dict[str, tuple[int, int, int]]:
    """What is left, held and expired of each lot that was changed."""
    return {each.id: (each.remaining, each.held, each.expired) for each in made.booked.changed}


def transfers(made: Purse) -> list[tuple[str, int, str | None, datetime]]:
    return [(each.kind, each.points, each.lot_id, each.at) for each in made.booked.transfers]


def test_what_is_held_cannot_be_spent_and_moves_nowhere() -> None:
    made = purse(("a", 60, NOON + 9 * HOUR), ("b", 60, None))
    assert hold(made, 100).lots == (("a", 60), ("b", 40))
    assert made.balance("points") == 20
    assert made.booked.transfers == []
    with pytest.raises(NotCovered, match="the balance is 20"):
        made.spend("points", 21, NOON, source="s", event_id="", fact_id="f")
    with pytest.raises(NotCovered, match="the balance is 20"):
        hold(made, 21)
    made.spend("points", 20, NOON, source="s", event_id="", fact_id="f")
    assert left(made) == {"a": (60, 60, 0), "b": (40, 40, 0)}


def test_a_part_is_captured_and_the_rest_comes_free() -> None:
    made = purse(("a", 60, NOON + 9 * HOUR), ("b", 60, None))
    told = made.capture(hold(made, 100), 70, NOON + HOUR / 2, "f")
    assert told == [HoldEnded(str(ID), "points", 30, "coffee", "captured", NOON + HOUR / 2)]
    assert left(made) == {"a": (0, 0, 0), "b": (50, 0, 0)}
    assert made.balance("points") == 50
    assert transfers(made) == [("spend", 60, "a", NOON + HOUR / 2), ("spend", 10, "b", NOON + HOUR / 2)]
    assert not made.open_holds


def test_a_hold_ends_by_itself_once_and_not_before_its_instant() -> None:
    made = purse(("a", 60, None))
    held = hold(made, 60)
    assert made.advance(NOON + HOUR - timedelta(microseconds=1)) == []
    assert made.open_holds == {ID: held}
    assert made.advance(NOON + HOUR) == [HoldEnded(str(ID), "points", 60, "coffee", "expired", NOON + HOUR)]
    assert not made.open_holds
    assert made.advance(NOON + 5 * HOUR) == []
    assert made.balance("points") == 60
    assert [each.state for each in made.booked.holds] == ["expired"]


def test_points_that_are_held_outlive_their_lot_and_end_with_their_hold() -> None:
    made = purse(("a", 60, NOON + HOUR))
    hold(made, 40, hours=3)
    assert made.advance(NOON + 2 * HOUR) == [PointsExpired("points", 20, NOON + HOUR)]
    assert left(made) == {"a": (40, 40, 20)}
    assert made.advance(NOON + 3 * HOUR) == [
        HoldEnded(str(ID), "points", 40, "coffee", "expired", NOON + 3 * HOUR),
        PointsExpired("points", 40, NOON + 3 * HOUR),
    ]
    assert left(made) == {"a": (0, 0, 60)}
    assert transfers(made) == [("expire", 20, "a", NOON + HOUR), ("expire", 40, "a", NOON + 3 * HOUR)]


def test_points_that_are_held_are_captured_after_the_end_of_their_lot() -> None:
    made = purse(("a", 60, NOON + HOUR))
    held = hold(made, 60, hours=3)
    made.advance(NOON + 2 * HOUR)
    made.capture(held, 60, NOON + 2 * HOUR, "f")
    assert transfers(made) == [("spend", 60, "a", NOON + 2 * HOUR)]


def test_a_clawback_asks_for_what_is_held_elsewhere_and_takes_it_when_it_comes_back() -> None:
    made = purse(("a", 60, None))
    held = hold(made, 50)
    made.reprice({"a": 0}, NOON)
    assert left(made) == {"a": (50, 50, 0)}
    assert made.balance("points") == -50
    made.void(held, NOON + HOUR)
    assert left(made) == {"a": (0, 0, 0)}
    assert made.balance("points") == 0
    assert transfers(made)[-1][:2] == ("settle", 50)


def test_points_that_wait_are_released_at_their_instant_and_pay_what_is_owed() -> None:
    made = Purse(UUID(int=1), {"points": (-30, 30)}, NOON)
    made.bring(AtHand([], {}, []), complete=True)
    dates = Dates(None, NOON + HOUR)
    made.earn(PointsEarned("points", 100, "base", "l", NOON, "e"), dates, NOON)
    assert made.balance("points") == -30
    with pytest.raises(NotCovered):
        hold(made, 1)
    assert made.advance(NOON + HOUR) == [PointsReleased("points", 100, NOON + HOUR)]
    assert made.balance("points") == 70
    assert made.advance(NOON + 2 * HOUR) == []


def test_what_is_learned_of_after_its_release_waits_for_nothing() -> None:
    made = purse()
    dates = Dates(None, NOON + HOUR)
    made.earn(PointsEarned("points", 100, "base", "l", NOON, "e"), dates, NOON + 2 * HOUR)
    assert made.balance("points") == 100


def test_points_that_wait_for_a_word_are_released_by_it_alone() -> None:
    made = purse()
    made.earn(PointsEarned("points", 100, "base", "l", NOON, "e"), Dates(confirmed_by="delivered"), NOON)
    assert made.advance(NOON + 1000 * HOUR) == []
    assert made.confirm("another", NOON, lambda _: True) == []
    assert made.confirm("e", NOON, lambda _: False) == []
    assert made.confirm("e", NOON + HOUR, lambda _: True) == [PointsReleased("points", 100, NOON + HOUR)]
    assert made.confirm("e", NOON + HOUR, lambda _: True) == []
    made.unconfirm("e", lambda _: False)
    assert made.balance("points") == 100
    made.unconfirm("e", lambda _: True)
    assert made.balance("points") == 0


def test_what_is_held_when_its_confirmation_is_taken_back_waits_when_it_comes_free_and_is_spent_when_it_is_captured() -> (
    None
):
    made = purse()
    made.earn(PointsEarned("points", 100, "base", "l", NOON, "e"), Dates(confirmed_by="delivered"), NOON)
    made.confirm("e", NOON, lambda _: True)
    held = hold(made, 60)
    made.unconfirm("e", lambda _: True)
    (lot,) = made.lots_of("points")
    assert (made.balance("points"), lot.held, lot.waiting) == (0, 60, 40)
    made.capture(held, 50, NOON, "f")
    (lot,) = made.lots_of("points")
    assert (made.balance("points"), made.debt("points"), lot.held, lot.waiting) == (0, 0, 0, 50)
    assert made.confirm("e", NOON + HOUR, lambda _: True) == [PointsReleased("points", 50, NOON + HOUR)]
    assert made.balance("points") == 50


def test_pending_points_that_end_are_not_released_any_more() -> None:
    made = purse()
    dates = Dates(NOON + HOUR, NOON + HOUR)
    made.earn(PointsEarned("points", 100, "base", "l", NOON, "e"), dates, NOON)
    assert made.advance(NOON + 2 * HOUR) == [PointsExpired("points", 100, NOON + HOUR)]
    assert made.balance("points") == 0
