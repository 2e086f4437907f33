"""The fold alone on a year of 80 real shoppers, held against exact answers to the row."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from achievements import fold, periods
from achievements.definitions import parse
from achievements.outcomes import BadgeAwarded, ChallengeCompleted, PointsEarned, Scored, TierChanged
from achievements.ranking import Entry, ranked
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState, StreakPart
from achievements.values import Event
from engagement.cli.documents import read_program
from tests.achievements.histories import Member
from tests.achievements.programs import BEGIN, REFERENCE_PROGRAMS

GIVEN = REFERENCE_PROGRAMS / "given"
ANSWERS = GIVEN / "answers" / "extract_5k"
INSTANTS = {"mid": periods.rfc3339("2017-07-01T16:00:00Z"), "end": periods.rfc3339("2018-01-01T04:59:59Z")}
Rows = set[tuple[Any, ...]]


@cache
def book() -> Rulebook:
    return Rulebook(1, [(BEGIN, ready(parse(read_program(REFERENCE_PROGRAMS / "program-n.yaml"))))])


@cache
def delivered(name: str) -> Mapping[str, list[Event]]:
    """The events of each member, as they were delivered, up to the end."""
    found: dict[str, list[Event]] = defaultdict(list)
    types = book().latest.event_types
    with gzip.open(GIVEN / f"{name}.ndjson.gz") as lines:
        for line in lines:
            sent = json.loads(line)
            at = periods.rfc3339(sent["occurred_at"])
            if at <= INSTANTS["end"]:
                event = Event(sent["event_id"], sent["type"], at, types[sent["type"]].read(sent)[0])
                found[sent["member_id"]].append(event)
    return found


def answer(name: str, *columns: str, **where: str) -> Rows:
    """Rows of an answer; instants in UTC."""
    frame = pl.read_parquet(ANSWERS / f"{name}.parquet")
    for column, value in where.items():
        frame = frame.filter(pl.col(column) == value)
    return {
        tuple(each.replace(tzinfo=UTC) if isinstance(each, datetime) else each for each in row)
        for row in frame.select(columns).iter_rows()
    }


def check(members: Mapping[str, Member], folder: Path = Path()) -> None:
    """Hold what members have at the end against the answers of a folder."""
    outcomes = [(name, each) for name, member in members.items() for each in member.outcomes.values()]
    completed = {
        (o.challenge, name, o.period, o.at, o.event_id) for name, o in outcomes if isinstance(o, ChallengeCompleted)
    }
    for challenge, file in (("c2-days", "c2_localdays"), ("c2-hours", "c2_720h"), ("c3", "c3")):
        ours: Rows = {(name, at, event) for key, name, _, at, event in completed if key == challenge}
        assert ours == answer(str(folder / file), "member_id", "completed_at", "event_id"), challenge
    ours = {(name, period, at, event) for key, name, period, at, event in completed if key == "c1"}
    assert ours == answer(str(folder / "c1"), "member_id", "month", "completed_at", "event_id")
    ours = {(name, int(o.level), o.at, o.event_id) for name, o in outcomes if isinstance(o, BadgeAwarded)}
    assert ours == answer(str(folder / "badges"), "member_id", "level", "reached_at", "event_id")
    ours = {
        (o.ladder.upper(), name, o.at, o.tier_from, o.tier_to, o.qualifying)
        for name, o in outcomes
        if isinstance(o, TierChanged)
    }
    columns = ("programme", "member_id", "moved_at", "from_tier", "to_tier", "window_points")
    assert ours == answer(str(folder / "tier_moves"), *columns)
    check_boards(((name, o) for name, o in outcomes if isinstance(o, Scored)), folder)


def check_boards(scored: Iterable[tuple[str, Scored]], folder: Path) -> None:
    boards: dict[str, list[Entry]] = defaultdict(list)
    for name, o in scored:
        boards[o.period or "all"].append(Entry(name, o.score, o.reached_at))
    ours = {
        (period, rank, *entry)
        for period, entries in boards.items()
        for rank, entry in ranked("first_to_reach", entries)
        if rank <= 20
    }
    assert ours == answer(str(folder / "board_top20"), "period", "rank", "member_id", "points", "reached_at")


def check_as_of(as_of: str, states: Mapping[str, MemberState], folder: Path = Path()) -> None:
    """Hold streaks and tiers at an instant against the answers."""
    standing = {
        (rule.key.upper(), name, *rule.standing(state.parts.get(part), INSTANTS[as_of]))
        for name, state in states.items()
        for part, rule in book().latest.ladders
    }
    wanted = answer(str(folder / "tier_state"), "programme", "member_id", "tier", "window_points", as_of=as_of)
    assert {each for each in standing if each[:2] in {(ladder, name) for ladder, name, *_ in wanted}} == wanted
    columns = ("member_id", "current_streak", "longest", "f_current", "f_longest", "f_used")
    for unit, key in (("week", "weekly"), ("day", "daily")):
        ours = {}
        for name, state in states.items():
            plain, frozen = state.parts.get(f"streaks/{key}"), state.parts.get(f"streaks/{key}-freeze")
            if isinstance(plain, StreakPart) and isinstance(frozen, StreakPart):
                ours[name] = (plain.current, plain.longest, frozen.current, frozen.longest, frozen.freezes_used)
        wanted = answer(str(folder / "streaks"), *columns, as_of=as_of, unit=unit)
        assert {(name, *ours.get(name, (0, 0, 0, 0, 0))) for name, *_ in wanted} == wanted


@cache
def shoppers(name: str) -> Mapping[str, Member]:
    """Every member after her events were delivered one by one, repeats and late ones included, and the year is over."""
    members = {}
    for who, events in delivered(name).items():
        member = members[who] = Member(book())
        for event in events:
            member.deliver([event])
        member.advance(INSTANTS["end"])
    return members


@pytest.mark.parametrize("name", ["extract_5k", "extract_5k_messy"])
def test_a_year_of_shopping_to_the_row(name: str) -> None:
    members = shoppers(name)
    check(members)
    check_as_of("end", {who: member.state for who, member in members.items()})
    points = sum(
        o.points for member in members.values() for o in member.outcomes.values() if isinstance(o, PointsEarned)
    )
    assert points == json.loads((ANSWERS / "totals.json").read_text())["points"]


def test_half_a_year_to_the_row() -> None:
    states = {
        who: fold.trace(
            book(), MemberState.NOTHING, [each for each in events if each.at <= INSTANTS["mid"]], INSTANTS["mid"]
        ).state
        for who, events in delivered("extract_5k").items()
    }
    check_as_of("mid", states)


def test_after_refunds_to_the_row() -> None:
    refunded = {each for (each,) in answer("refund_set", "event_id")}
    members, affected = {}, {each for (each,) in answer("refund_set", "member_id")}
    for who, events in delivered("extract_5k").items():
        member = members[who] = Member(book())
        member.deliver(events)
        member.advance(INSTANTS["end"])
        for event in events:
            if event.id in refunded:
                member.take_back([event.id])
    after = Path("after_refunds")
    check_boards(
        ((who, o) for who, member in members.items() for o in member.outcomes.values() if isinstance(o, Scored)), after
    )
    check_as_of("end", {who: member.state for who, member in members.items() if who in affected}, after)
    for file, challenge in (("c2_localdays", "c2-days"), ("c2_720h", "c2-hours"), ("c3", "c3")):
        ours = {
            (who, o.at, o.event_id)
            for who in affected
            for o in members[who].outcomes.values()
            if isinstance(o, ChallengeCompleted) and o.challenge == challenge
        }
        assert ours == answer(str(after / file), "member_id", "completed_at", "event_id"), challenge
