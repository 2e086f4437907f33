"""The purse lets nothing out that is not there, whoever asks."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from achievements.lots import Lot
from engagement.actions.accounts import LotsMissing, NotCovered
from engagement.actions.purse import Purse
from engagement.records.ledger import AtHand

NOW = datetime(2017, 3, 1, tzinfo=UTC)


def purse(balance: int, in_lot: int | None) -> Purse:
    """A wallet, and a lot with points left (None: not at hand)."""
    made = Purse(UUID(int=1), {"points": (balance, 0)}, NOW)
    if in_lot is not None:
        made.bring(AtHand([Lot("l", "points", 100, in_lot, 0, NOW, None, "e", "base")], {}), complete=True)
    return made


def spend(made: Purse, points: int) -> None:
    made.spend("points", points, NOW, source="rule", event_id="e", fact_id="e/1")


@pytest.mark.parametrize(
    ("balance", "in_lot", "words"),
    [(99, 100, "the balance is 99"), (100, 99, "the lots hold 99"), (0, 0, "the balance is 0")],
)
def test_what_is_not_there_is_not_spent(balance: int, in_lot: int, words: str) -> None:
    made = purse(balance, in_lot)
    with pytest.raises(NotCovered, match=words):
        spend(made, 100)
    assert made.booked.transfers == []
    assert made.balance("points") == balance


def test_what_is_there_is_spent_once() -> None:
    made = purse(100, 100)
    spend(made, 100)
    assert [(each.kind, each.points) for each in made.booked.transfers] == [("spend", 100)]
    with pytest.raises(NotCovered):
        spend(made, 1)


def test_lots_that_are_not_at_hand_are_asked_for() -> None:
    with pytest.raises(LotsMissing):
        spend(purse(100, None), 100)
