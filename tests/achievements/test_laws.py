"""What holds of the fold whatever happens: laws, on random histories under every kind of definition at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold
from achievements.values import AnyOutcome, Event, Identity, MemberState, PointsEarned
from tests.achievements.programs import EVERYTHING, rulebook

BOOK = rulebook(**EVERYTHING)
FIRST = datetime(2017, 2, 25, tzinfo=UTC)
END = FIRST + timedelta(days=80)

moments = st.integers(0, 70 * 24 * 4).map(lambda quarters: FIRST + timedelta(minutes=15 * quarters))
amounts = st.sampled_from(["0.00", "0.99", "1.00", "49.50", "99.99", "100.00", "250.10"])
departments = st.lists(st.sampled_from(["DAIRY", "FUEL", "MEAT", "TEA", "WINE"]), max_size=3, unique=True)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 30) -> list[Event]:
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
        made.append(Event(f"e{draw(st.integers(0, 9))}-{number}", kind, draw(moments), properties))
    return sorted(made, key=lambda event: event.order)


class Member:
    """A member as the service keeps one, without the service: a state, snapshots, outcomes, and what was applied."""

    def __init__(self) -> None:
        self.state = MemberState.NOTHING
        self.outcomes: dict[Identity, AnyOutcome] = {}
        self.applied: list[Event] = []
        self.snapshots: dict[int, MemberState] = {}

    def deliver(self, batch: Sequence[Event]) -> None:
        """Take a batch: step by step where it comes next, else by a refold from the last snapshot before it."""
        fresh = {event.id: event for event in batch if event.id not in {known.id for known in self.applied}}
        events = sorted(fresh.values(), key=lambda event: event.order)
        if events and fold.is_next(self.state, events[0]):
            for event in events:
                self.state, emitted = fold.apply(BOOK, self.state, event)
                self.outcomes.update((each.identity, each) for each in fold.outcomes_of(emitted))
                if self.state.inputs % fold.SNAPSHOT_EVERY == 0:
                    self.snapshots[self.state.inputs] = self.state
                    for dropped in fold.thinned_snapshots(self.state.inputs):
                        self.snapshots.pop(dropped, None)
        elif events:
            self._refold(events)
        self.applied = sorted([*self.applied, *events], key=lambda event: event.order)

    def advance(self, until: datetime) -> None:
        """Let time pass."""
        self.state, emitted = fold.advance(BOOK, self.state, until)
        self.outcomes.update((each.identity, each) for each in emitted)

    def _refold(self, late: Sequence[Event]) -> None:
        usable = [each for each in self.snapshots.values() if each.at < late[0].at]
        base = max(usable, key=lambda each: each.inputs, default=MemberState.NOTHING)
        known = [event for event in self.applied if base.last is None or event.order > base.last]
        now = sorted([*known, *late], key=lambda event: event.order)
        refolded = fold.refold(BOOK, base, known, now, self.state.at)
        self.state = refolded.state
        for gone in refolded.difference.gone:
            del self.outcomes[gone.identity]
        for each in (
            *refolded.difference.new,
            *(now for _, now in (*refolded.difference.changed, *refolded.difference.moved)),
        ):
            self.outcomes[each.identity] = each
        self.snapshots = {inputs: each for inputs, each in self.snapshots.items() if inputs <= base.inputs}
        self.snapshots.update((each.inputs, each) for each in refolded.snapshots)


def told(outcomes: Mapping[Identity, AnyOutcome]) -> dict[Identity, AnyOutcome]:
    """Outcomes with what a moved one keeps left out: its lot stays as it was first booked."""
    return {
        identity: msgspec.structs.replace(each, at=FIRST, event_id="") if isinstance(each, PointsEarned) else each
        for identity, each in outcomes.items()
    }


@settings(max_examples=100, deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 6))
def test_any_delivery_ends_in_the_same_outcomes(events: list[Event], random: Random, batch: int) -> None:
    delivered = [*events, *random.sample(events, len(events) // 3)]
    random.shuffle(delivered)
    member = Member()
    for start in range(0, len(delivered), batch):
        member.deliver(delivered[start : start + batch])
        if random.random() < 0.3:
            member.advance(min(max(member.state.at, FIRST) + timedelta(days=random.randint(0, 9)), END))
    member.advance(END)
    straight = fold.trace(BOOK, MemberState.NOTHING, events, END)
    assert told(member.outcomes) == told(straight.outcomes)
    assert msgspec.structs.replace(member.state, at=END) == msgspec.structs.replace(straight.state, at=END)


@settings(max_examples=60, deadline=None)
@given(histories(), st.lists(st.integers(0, 90), max_size=6))
def test_time_in_any_steps_is_time_in_one(events: list[Event], days: list[int]) -> None:
    state, _ = fold.advance(BOOK, fold.trace(BOOK, MemberState.NOTHING, events, FIRST).state, FIRST)
    at_once, outcomes = fold.advance(BOOK, state, END)
    emitted: list[AnyOutcome] = []
    for day in sorted(days):
        state, more = fold.advance(BOOK, state, min(FIRST + timedelta(days=day), END))
        emitted += more
    state, more = fold.advance(BOOK, state, END)
    assert (state, [*emitted, *more]) == (at_once, outcomes)


@settings(max_examples=20, deadline=None)
@given(histories(max_size=120), st.integers(0, 200))
def test_a_refold_from_a_snapshot_is_one_from_the_beginning(events: list[Event], place: int) -> None:
    late = events[place % len(events)]
    member = Member()
    member.deliver([event for event in events if event is not late])
    member.deliver([late])
    assert member.state.parts == fold.trace(BOOK, MemberState.NOTHING, events, member.state.at).state.parts


@given(histories())
def test_a_state_survives_being_written(events: list[Event]) -> None:
    state = fold.trace(BOOK, MemberState.NOTHING, events, END).state
    assert msgspec.json.decode(msgspec.json.encode(state), type=MemberState) == state


@given(histories())
def test_a_definition_is_not_touched_by_events_it_does_not_name(events: list[Event]) -> None:
    purchases = [event for event in events if event.type == "purchase"]
    with_visits = fold.trace(BOOK, MemberState.NOTHING, events, END).state.parts
    without = fold.trace(BOOK, MemberState.NOTHING, purchases, END).state.parts
    for name in ("streaks/daily", "challenges/days", "badges/purchases", "leaderboards/monthly"):
        assert with_visits.get(name) == without.get(name)


@given(st.integers(1, 200_000))
def test_snapshots_stay_few_and_near(inputs: int) -> None:
    kept = fold.kept_snapshots(inputs)
    assert len(kept) <= 2 * (inputs // fold.SNAPSHOT_EVERY).bit_length() + 2
    assert all(each % fold.SNAPSHOT_EVERY == 0 and 0 < each <= inputs for each in kept)
    for late in (1, 10, 100, 1_000, 10_000):
        if late < inputs:
            base = max((each for each in kept if each <= inputs - late), default=0)
            assert inputs - base <= 4 * late + 2 * fold.SNAPSHOT_EVERY
