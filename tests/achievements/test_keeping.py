"""What is counted anew comes to what the rules say, and to what is kept, whatever else happens and in any order."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold, keeping
from achievements.definitions import Mistaken, document_of, parse
from achievements.keeping import KEPT
from achievements.outcomes import AnyOutcome, Identity, PointsEarned
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from achievements.values import Fact, Input
from tests.achievements.histories import END, FIRST, Member, histories, in_order, told
from tests.achievements.programs import BEGIN, EVERYTHING, EXACT, document
from tests.achievements.random_programs import documents

written = st.sampled_from([document(**EVERYTHING), document(**EXACT)]) | documents
sinces = st.integers(0, 70 * 24).map(lambda hours: FIRST + timedelta(hours=hours, minutes=7))
some = settings(max_examples=20, deadline=None)


def _edited(program: Mapping[str, Any], random: Random) -> dict[str, Any]:
    """The same program with other points, targets and segments; now and then a definition less."""
    edited: dict[str, Any] = document_of(parse(program))
    _edit(edited, random)
    if random.random() < 0.3:
        for section in ("challenges", "badges", "leaderboards", "tier_ladders"):
            edited[section] = [*edited.get(section, ())][:-1]
    try:
        ready(parse(edited))
    except Mistaken:
        # Others name what was left out, or made unreachable.
        return dict(program)
    return edited


def _edit(edited: dict[str, Any], random: Random) -> None:
    earnings = [each["earn"] for each in edited.get("earn_rules", ())]
    for earning in (each for each in earnings if "fixed" in each):
        earning["fixed"] = random.randint(1, 30)
    challenges, occasions = edited.get("challenges", ()), edited.get("occasions", ())
    for objective in chain.from_iterable(each["objectives"] for each in challenges):
        objective["target"] = max(2, objective["target"] + random.randint(-2, 3))
    for level in chain.from_iterable(each["levels"][-1:] for each in edited.get("badges", ())):
        level["target"] += random.randint(0, 3)
    rewards = [*chain.from_iterable(each.get("rewards", ()) for each in (*challenges, *occasions))]
    for reward in (each for each in rewards if "points" in each):
        reward["points"] = random.randint(1, 40)
    for segment in (each for each in edited.get("segments", ()) if "when" in each):
        segment["when"] = random.choice([segment["when"], "measure.lately >= 2", "measure.spent > 50.0"])


class Recounted(Member):
    """A member of whom definitions are published that count the past."""

    def __init__(self, book: Rulebook) -> None:
        super().__init__(book)
        self.words: dict[str, int] = {}
        self.since = END

    def publish(self, after: Rulebook, since: datetime, *, take_back: bool = False) -> None:
        """Count her anew, as the service does."""
        self.since = min(since, self.since)
        base = self._base(since)
        was = self._after(base, self.applied)
        refolded = fold.refold(after, base, was, was, self.state.at, judged_by=self.book)
        kept = keeping.kept_of(refolded.difference.gone, refolded.difference.changed, take_back=take_back)
        if kept:
            fact = keeping.fact_of(f"{KEPT}\u00a0{after.revision}", since, kept, self.words)
            now = in_order([*was, fact])
            refolded = fold.refold(after, base, was, now, self.state.at, judged_by=self.book)
            self.applied = in_order([*self.applied, fact])
        self.book = after
        self._stand(base, refolded)

    def take_back(self, ids: Iterable[str]) -> None:
        """Reverse events; what was kept because of them goes too."""
        gone = set(ids)
        self.words |= dict.fromkeys(gone, 1)
        first = min([self.since, *(each.at for each in self.applied if each.id in gone)])
        now = [self._standing(each) for each in self.applied if each.id not in gone]
        self._refold(first, now)
        self.applied = now

    def deliver(self, batch: Sequence[Input]) -> None:
        """Facts of what is kept stand as they do by now."""
        super().deliver(batch)

    def _standing(self, each: Input) -> Input:
        return keeping.standing(each, self.words) if isinstance(each, Fact) and each.kind == KEPT else each

    def _base(self, first: datetime) -> MemberState:
        usable = [each for each in self.snapshots.values() if each.at < first]
        return max(usable, key=lambda each: each.inputs, default=MemberState.NOTHING)

    def _after(self, base: MemberState, inputs: Iterable[Input]) -> list[Input]:
        return [each for each in inputs if base.last is None or each.order > base.last]

    def _stand(self, base: MemberState, refolded: fold.Refold) -> None:
        self.state = refolded.state
        for gone in refolded.difference.gone:
            del self.outcomes[gone.identity]
        self._tell(refolded.difference.new)
        self._tell(now for _, now in (*refolded.difference.changed, *refolded.difference.moved))
        self.snapshots = {inputs: each for inputs, each in self.snapshots.items() if inputs <= base.inputs}
        self.snapshots.update((each.inputs, each) for each in refolded.snapshots)


def _books(
    program: dict[str, Any], changes: Sequence[tuple[datetime, dict[str, Any]]]
) -> tuple[Rulebook, list[Rulebook]]:
    """The rules before, and after each publication: from where it counts on nothing of before is in force any more."""
    line = [(BEGIN, ready(parse(program)))]
    books = [Rulebook(1, line)]
    for revision, (since, edited) in enumerate(changes, 2):
        line = [*(each for each in line if each[0] < since), (since, ready(parse(edited)))]
        books.append(Rulebook(revision, line))
    return books[0], books[1:]


def _worth(outcomes: Mapping[Identity, AnyOutcome]) -> dict[str, int]:
    return {each.lot: each.points for each in outcomes.values() if isinstance(each, PointsEarned)}


@some
@given(written, histories(40), sinces, sinces, st.randoms(use_true_random=False))
def test_whatever_comes_in_any_order_it_is_one_fold_with_what_is_kept(
    program: dict[str, Any], inputs: list[Input], since: datetime, again: datetime, random: Random
) -> None:
    first = _edited(program, random)
    before, after = _books(program, [(since, first), (again, _edited(first, random))])
    delivered = [*inputs]
    random.shuffle(delivered)
    cuts = sorted(random.randint(0, len(delivered)) for _ in after)
    member = Recounted(before)
    events = [each for each in inputs if not isinstance(each, Fact)]
    reversed_: set[str] = set()
    for place, each in enumerate(delivered):
        for book, cut, instant in zip(after, cuts, (since, again), strict=True):
            if place == cut:
                member.publish(book, instant, take_back=random.random() < 0.2)
        member.deliver([each])
        if random.random() < 0.1:
            known = {known.id for known in member.applied}
            gone = {one.id for one in random.sample(events, 1) if one.id in known and one.id not in reversed_}
            if gone:
                member.take_back(gone)
                reversed_ |= gone
    for book, cut, instant in zip(after, cuts, (since, again), strict=True):
        if cut == len(delivered):
            member.publish(book, instant)
    member.advance(END)
    straight = fold.trace(after[-1], MemberState.NOTHING, member.applied, END)
    assert told(member.outcomes) == told(straight.outcomes)
    assert member.state == straight.state


@some
@given(written, histories(40), sinces, st.randoms(use_true_random=False))
def test_nobody_loses_by_it(program: dict[str, Any], inputs: list[Input], since: datetime, random: Random) -> None:
    before, (after,) = _books(program, [(since, _edited(program, random))])
    member = Recounted(before)
    member.deliver(inputs)
    had = dict(member.outcomes)
    member.publish(after, since)
    gone = [each for name, each in had.items() if name not in member.outcomes]
    assert keeping.kept_of(gone, (), take_back=False) == []
    worth = _worth(member.outcomes)
    assert all(worth[lot] >= points for lot, points in _worth(had).items())


@some
@given(written, histories(40), sinces, st.randoms(use_true_random=False))
def test_what_is_taken_back_leaves_what_would_have_been(
    program: dict[str, Any], inputs: list[Input], since: datetime, random: Random
) -> None:
    before, (after,) = _books(program, [(since, _edited(program, random))])
    member = Recounted(before)
    member.deliver(inputs)
    member.publish(after, since, take_back=True)
    straight = fold.trace(after, MemberState.NOTHING, inputs, member.state.at)
    assert told(member.outcomes) == told(straight.outcomes)
    assert member.state == straight.state
