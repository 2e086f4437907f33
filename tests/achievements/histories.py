"""Random histories of a member, and a member as the service keeps one, without the service."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from achievements import fold
from achievements.outcomes import AnyOutcome, Identity, PointsEarned
from achievements.rulebook import Rulebook
from achievements.states import MemberState
from achievements.values import Event, Fact, Input, Order, Rank

FIRST = datetime(2017, 2, 25, tzinfo=UTC)
END = FIRST + timedelta(days=80)
ZONES = ["Asia/Tokyo", "America/Los_Angeles", "Pacific/Auckland", "Pacific/Kiritimati", "America/Santiago", "UTC"]

SAID: list[Mapping[str, Any]] = [
    *({"age": 1}, {"age": 2, "city": "rome"}, {"age": 3, "city": None}, {"city": "rome"}),
    *({"born": "1990-04-20"}, {"born": "2016-02-29"}, {"born": "2001-05-02", "age": 2}, {"born": None}),
]

instants = st.integers(0, 70 * 24 * 4).map(lambda quarters: FIRST + timedelta(minutes=15 * quarters))
amounts = st.sampled_from(["0.00", "0.99", "1.00", "49.50", "99.99", "100.00", "250.10"])
departments = st.lists(st.sampled_from(["DAIRY", "FUEL", "MEAT", "TEA", "WINE"]), max_size=3, unique=True)


@st.composite
def events(draw: st.DrawFn, max_size: int = 30) -> list[Event]:
    """Events of one member in order, with ties of their instants."""
    size = draw(st.integers(1, max_size))
    made = []
    for number in range(size):
        properties: dict[str, object] = {}
        kind = draw(st.sampled_from(["purchase", "purchase", "purchase", "visit"]))
        if kind == "purchase":
            properties = {"amount": Decimal(draw(amounts)), "departments": draw(departments)}
        else:
            properties = {"mood": draw(st.integers(-3, 3))}
        made.append(Event(f"e{draw(st.integers(0, 9))}-{number}", kind, draw(instants), properties))
    return sorted(made, key=lambda event: event.order)


@st.composite
def _together(draw: st.DrawFn) -> list[Input]:
    """Teams joined and left, and their targets met."""
    made: list[Input] = []
    for number in range(draw(st.integers(0, 3))):
        at, key = draw(instants), draw(st.sampled_from(["k0", "k1"]))
        joined = {"team": draw(st.sampled_from([None, "red", "blue"]))}
        made.append(Fact(f"m{number}", "team", at, Order(at, Rank.FACT, f"m{number}"), joined))
        # March 2017 in months; in days, weeks and quarters some other date.
        met = {"challenge": key, "period": "", "team": "red", "window": 24206}
        made.append(Fact(f"n{number}", "team_target_met", at, Order(at, Rank.FACT, f"n{number}"), met))
    return made


@st.composite
def histories(draw: st.DrawFn, max_size: int = 30) -> list[Input]:
    """Events, among them changes of zone and attributes, decisions taken, tiers granted, bought and revoked, challenges joined and
    left, teams joined and their targets met, streaks saved, and prizes won.
    """
    made: list[Input] = [*draw(events(max_size))]
    for number in range(draw(st.integers(0, 2))):
        at = draw(instants)
        made.append(
            Fact(
                f"z{number}", "zone", at, Order(at, Rank.FACT, f"z{number}"), {"timezone": draw(st.sampled_from(ZONES))}
            )
        )
    for number in range(draw(st.integers(0, 2))):
        at = draw(instants)
        said: Mapping[str, Any] = draw(st.sampled_from(SAID))
        listed = {"segment": "listed", "listed": draw(st.booleans())}
        made.append(Fact(f"l{number}", "listed", at, Order(at, Rank.FACT, f"l{number}"), listed))
        made.append(Fact(f"a{number}", "attributes", at, Order(at, Rank.FACT, f"a{number}"), said))
    for number in range(draw(st.integers(0, 4))):
        at, kind = draw(instants), draw(st.sampled_from(["joined", "joined", "left"]))
        data = {"challenge": f"k{draw(st.integers(0, 1))}"}
        made.append(Fact(f"j{number}", kind, at, Order(at, Rank.FACT, f"j{number}"), data))
    made += draw(_together())
    for number in range(draw(st.integers(0, 2))):
        at, tier = draw(instants), draw(st.sampled_from(["low", "mid", "high"]))
        ladder, days = draw(st.sampled_from(["gift", "k0"])), draw(st.integers(0, 20))
        kind = draw(st.sampled_from(["tier_granted", "tier_granted", "tier_bought", "tier_revoked"]))
        until = (at + timedelta(days=days)).isoformat()
        granted = {"ladder": ladder, "tier": tier, "days": days, "until": until}
        made.append(Fact(f"t{number}", kind, at, Order(at, Rank.FACT, f"t{number}"), granted))
    for number in range(draw(st.integers(0, 4))):
        at, kind = draw(instants), draw(st.sampled_from(["freeze_bought", "streak_restored", "streak_restored"]))
        saved = {"streak": f"k{draw(st.integers(0, 1))}", "by_staff": draw(st.booleans())}
        made.append(Fact(f"s{number}", kind, at, Order(at, Rank.FACT, f"s{number}"), saved))
    for number in range(draw(st.integers(0, 2))):
        at, place = draw(instants), {"period": f"2017-0{number + 2}", "group": draw(st.sampled_from(["", "rome"]))}
        won = {"board": f"k{draw(st.integers(0, 1))}", "rank": draw(st.integers(1, 2)), "contenders": 5, **place}
        made.append(Fact(f"w{number}", "prize_won", at, Order(at, Rank.FACT, f"w{number}"), won))
    caused = draw(st.sampled_from(made))
    if isinstance(caused, Event):
        order = Order(caused.at, Rank.EVENT, caused.id, 1)
        made.append(Fact(f"spent/{caused.id}", "spent", caused.at, order, {"points": 5}))
        order = Order(caused.at, Rank.EVENT, caused.id, 2)
        kind, data = draw(st.sampled_from(["place_taken", "place_missed"])), {"challenge": "k0", "period": ""}
        made.append(Fact(f"place/{caused.id}", kind, caused.at, order, data))
    return sorted(made, key=lambda each: each.order)


class Member:
    """A member as the service keeps one: a state, snapshots, outcomes, and what was applied."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.state = MemberState.NOTHING
        self.outcomes: dict[Identity, AnyOutcome] = {}
        self.applied: list[Input] = []
        self.snapshots: dict[int, MemberState] = {}

    def deliver(self, batch: Sequence[Input]) -> None:
        """Take a batch: step by step where it comes next, else by a refold from the last snapshot before it."""
        fresh = {each.id: each for each in batch if each.id not in {known.id for known in self.applied}}
        inputs = in_order(fresh.values())
        if inputs and fold.is_next(self.state, inputs[0]):
            for each in inputs:
                self.state, emitted = fold.apply(self.book, self.state, each)
                self._tell(fold.outcomes_of(emitted))
                if self.state.inputs % fold.SNAPSHOT_EVERY == 0:
                    self.snapshots[self.state.inputs] = self.state
                    for dropped in fold.thinned_snapshots(self.state.inputs):
                        self.snapshots.pop(dropped, None)
        elif inputs:
            self._refold(inputs[0].at, in_order([*self.applied, *inputs]))
        self.applied = in_order([*self.applied, *inputs])

    def take_back(self, ids: Iterable[str]) -> None:
        """Fold again without some inputs."""
        gone = set(ids)
        kept = [each for each in self.applied if each.id not in gone]
        self._refold(min(each.at for each in self.applied if each.id in gone), kept)
        self.applied = kept

    def advance(self, until: datetime) -> None:
        """Let time pass."""
        self.state, passed = fold.advance(self.book, self.state, until)
        self._tell(passed)

    def _tell(self, outcomes: Iterable[AnyOutcome]) -> None:
        self.outcomes.update((each.identity, each) for each in outcomes)

    def _refold(self, first: datetime, now: Sequence[Input]) -> None:
        usable = [each for each in self.snapshots.values() if each.at < first]
        base = max(usable, key=lambda each: each.inputs, default=self.state.beginning)
        was, now = (
            [each for each in inputs if base.last is None or each.order > base.last] for inputs in (self.applied, now)
        )
        refolded = fold.refold(self.book, base, was, now, self.state.at)
        self.state = refolded.state
        for gone in refolded.difference.gone:
            del self.outcomes[gone.identity]
        self._tell(refolded.difference.new)
        self._tell(now for _, now in (*refolded.difference.changed, *refolded.difference.moved))
        self.snapshots = {inputs: each for inputs, each in self.snapshots.items() if inputs <= base.inputs}
        self.snapshots.update((each.inputs, each) for each in refolded.snapshots)


def in_order(inputs: Iterable[Input]) -> list[Input]:
    """Inputs in the order in which they are folded."""
    return sorted(inputs, key=lambda each: each.order)


def told(outcomes: Mapping[Identity, AnyOutcome]) -> dict[Identity, AnyOutcome]:
    """Outcomes with what a moved one keeps left out: its lot stays as it was first booked."""
    return {
        identity: msgspec.structs.replace(each, at=FIRST, event_id="") if isinstance(each, PointsEarned) else each
        for identity, each in outcomes.items()
    }
