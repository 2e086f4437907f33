"""What holds of the fold whatever happens: laws, on random histories under known and under random programs."""

from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold
from achievements.asked import SpendAsked
from achievements.compiling import compiled
from achievements.definitions import document_of, parse
from achievements.outcomes import AnyOutcome, Emitted
from achievements.rulebook import Rulebook, Rules, ready, stretches
from achievements.states import MemberState
from achievements.values import Event, Fact, Input
from engagement.cli.documents import read_program
from tests.achievements.histories import END, FIRST, Member, events, histories, told
from tests.achievements.programs import BEGIN, EVERYTHING, EXACT, REFERENCE_PROGRAMS, document, rulebook
from tests.achievements.random_programs import documents, with_lives


def _book(written: dict[str, Any]) -> Rulebook:
    return Rulebook(1, [(BEGIN, ready(parse(written)))])


def _otherwise(rules: Rules) -> Rules:
    """The same program, in which every challenge has other targets and rewards."""
    written = document_of(rules.program)
    for challenge in written["challenges"]:
        for objective in challenge["objectives"]:
            objective["target"] += 1
        for reward in (each for each in challenge.get("rewards", ()) if "points" in each):
            reward["points"] += 1
    return ready(parse(written))


def _living(written: dict[str, Any], random: Random) -> Rulebook:
    """A program whose definitions begin, end and are paused, published anew twice with other lives."""
    turns = sorted(FIRST + timedelta(hours=random.randint(0, 70 * 24)) for _ in range(8))
    instants = sorted({each.isoformat() for each in (FIRST, *turns, END)})
    starts = [BEGIN, *sorted({turns[2], turns[5]}), None]
    return Rulebook(
        1,
        [
            edition
            for start, end in pairwise(starts)
            if start is not None
            for edition in stretches(compiled(parse(with_lives(written, instants, random))), start, end)
        ],
    )


BOOK = rulebook(**EVERYTHING)
EXACT_BOOK = rulebook(**EXACT)
REFERENCE = _book(
    {**read_program(REFERENCE_PROGRAMS / "program-b.yaml"), "event_types": document()["event_types"], "spend_rules": []}
)
CHANGED = Rulebook(1, [(BEGIN, EXACT_BOOK.latest), (FIRST + (END - FIRST) / 3, _otherwise(EXACT_BOOK.latest))])
books = (
    st.sampled_from([BOOK, EXACT_BOOK, CHANGED, REFERENCE])
    | documents.map(_book)
    | st.builds(_living, documents, st.randoms(use_true_random=False))
)
some = settings(max_examples=25, deadline=None)


@settings(max_examples=50, deadline=None)
@given(books, histories(), st.randoms(use_true_random=False), st.integers(1, 6))
def test_any_delivery_ends_in_the_same_outcomes(
    book: Rulebook, inputs: list[Input], random: Random, batch: int
) -> None:
    delivered = [*inputs, *random.sample(inputs, len(inputs) // 3)]
    random.shuffle(delivered)
    member = Member(book)
    for start in range(0, len(delivered), batch):
        member.deliver(delivered[start : start + batch])
        if random.random() < 0.3:
            member.advance(min(max(member.state.at, FIRST) + timedelta(days=random.randint(0, 9)), END))
    member.advance(END)
    straight = fold.trace(book, MemberState.NOTHING, inputs, END)
    assert told(member.outcomes) == told(straight.outcomes)
    assert msgspec.structs.replace(member.state, at=END) == msgspec.structs.replace(straight.state, at=END)


@some
@given(books, histories(), st.randoms(use_true_random=False))
def test_what_is_taken_back_never_was(book: Rulebook, inputs: list[Input], random: Random) -> None:
    member = Member(book)
    for each in inputs:
        member.deliver([each])
    member.advance(END)
    gone = {each.id for each in random.sample(inputs, random.randint(1, len(inputs)))}
    member.take_back(gone)
    straight = fold.trace(book, MemberState.NOTHING, [each for each in inputs if each.id not in gone], END)
    assert told(member.outcomes) == told(straight.outcomes)
    assert member.state == straight.state


@some
@given(books, histories(max_size=120), st.integers(0, 200))
def test_a_refold_from_a_snapshot_is_one_from_the_beginning(book: Rulebook, inputs: list[Input], place: int) -> None:
    late = inputs[place % len(inputs)]
    member = Member(book)
    member.deliver([each for each in inputs if each is not late])
    member.deliver([late])
    assert member.state.parts == fold.trace(book, MemberState.NOTHING, inputs, member.state.at).state.parts


@some
@given(books, histories(), st.lists(st.integers(0, 90), max_size=6))
def test_time_in_any_steps_is_time_in_one(book: Rulebook, inputs: list[Input], days: list[int]) -> None:
    state, _ = fold.advance(book, fold.trace(book, MemberState.NOTHING, inputs, FIRST).state, FIRST)
    at_once, outcomes = fold.advance(book, state, END)
    emitted: list[AnyOutcome] = []
    for day in sorted(days):
        state, more = fold.advance(book, state, min(FIRST + timedelta(days=day), END))
        emitted += more
    state, more = fold.advance(book, state, END)
    assert (state, [*emitted, *more]) == (at_once, outcomes)


@some
@given(books, histories(), st.integers(0, 10_000))
def test_a_read_shows_what_a_worker_would_have_stored(book: Rulebook, inputs: list[Input], minutes: int) -> None:
    stored = fold.trace(book, MemberState.NOTHING, inputs, FIRST).state
    now = stored.at + timedelta(minutes=minutes)
    read, shown = fold.advance(book, stored, now)
    written: list[AnyOutcome] = []
    # A worker comes whenever the state says that it is due; a moment before, there is nothing to do.
    while stored.due is not None and stored.due <= now:
        due = stored.due
        _, early = fold.advance(book, stored, due - timedelta(microseconds=1))
        stored, brought = fold.advance(book, stored, due)
        assert (early, {getattr(each, "at", None) for each in brought}) == ([], {due})
        written += brought
    assert (shown, read) == (written, msgspec.structs.replace(stored, at=max(now, stored.at)))


@some
@given(books, histories())
def test_a_state_survives_being_written(book: Rulebook, inputs: list[Input]) -> None:
    state = fold.trace(book, MemberState.NOTHING, inputs, END).state
    assert msgspec.json.decode(msgspec.json.encode(state), type=MemberState) == state


@some
@given(documents, events())
def test_a_definition_is_not_touched_by_events_it_does_not_name(written: dict[str, Any], happened: list[Event]) -> None:
    book = _book(written)
    whole = fold.trace(book, MemberState.NOTHING, happened, END)
    for name, rule in book.latest.by_name.items():
        named = rule.event_types
        if named is not None and not rule.counts and not _asks_of_segments(written, name):
            heard = [each for each in happened if each.type in named]
            alone = fold.trace(book, MemberState.NOTHING, heard, END)
            assert whole.state.parts.get(name) == alone.state.parts.get(name), name


def _asks_of_segments(written: dict[str, Any], name: str) -> bool:
    """Whether a definition is for a segment, which counts events of its own."""
    section, key = name.split("/")
    return any(each["key"] == key and "segments" in each.get("audience", "") for each in written[section])


@some
@given(documents)
def test_a_program_is_its_document(written: dict[str, Any]) -> None:
    program = parse(written)
    assert parse(document_of(program)) == program
    assert document_of(parse(document_of(program))) == document_of(program)


@some
@given(histories(), st.randoms(use_true_random=False))
def test_a_decision_is_asked_for_once(inputs: list[Input], random: Random) -> None:
    late = set(random.sample(range(len(inputs)), random.randint(0, len(inputs))))
    known = [each for number, each in enumerate(inputs) if number not in late]
    base = fold.trace(EXACT_BOOK, MemberState.NOTHING, [], FIRST).state
    before = fold.trace(EXACT_BOOK, base, known, FIRST).asked
    refolded = fold.refold(EXACT_BOOK, base, known, inputs, FIRST)
    straight = fold.trace(EXACT_BOOK, base, inputs, FIRST).asked
    assert {*before, *refolded.asked} - {*refolded.unasked} == {*straight}
    assert not {each.identity for each in before} & {each.identity for each in refolded.asked}


@some
@given(books, histories())
def test_one_event_changes_each_outcome_once_or_passes_it_on(book: Rulebook, inputs: list[Input]) -> None:
    state = MemberState.NOTHING
    for each in inputs:
        before = state
        state, emitted = fold.apply(book, state, each)
        assert state.inputs == before.inputs + 1
        assert state.last == each.order
        assert state.due is None or state.due > each.at
        if isinstance(each, Fact):
            assert not [one for one in emitted if isinstance(one, SpendAsked)]
        _check_in_time(emitted)


def _check_in_time(emitted: list[Emitted]) -> None:
    instants = [each.at for each in emitted if hasattr(each, "at")]
    assert all(earlier <= later for earlier, later in pairwise(instants))


@given(st.integers(1, 200_000))
def test_snapshots_stay_few_and_near(inputs: int) -> None:
    kept = fold.kept_snapshots(inputs)
    assert len(kept) <= 2 * (inputs // fold.SNAPSHOT_EVERY).bit_length() + 2
    assert all(each % fold.SNAPSHOT_EVERY == 0 and 0 < each <= inputs for each in kept)
    for late in (1, 10, 100, 1_000, 10_000):
        if late < inputs:
            base = max((each for each in kept if each <= inputs - late), default=0)
            assert inputs - base <= 4 * late + 2 * fold.SNAPSHOT_EVERY
