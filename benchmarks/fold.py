"""The fold alone: no database, no service, one process; by the CPU seconds that it takes."""

import gzip
import json
import sys
import time
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any, Final, TypeAlias

import msgspec

from achievements import fold
from achievements.definitions import parse
from achievements.periods import rfc3339
from achievements.rulebook import Rulebook, Rules, editions, ready
from achievements.states import BEGINNING, MemberState
from achievements.values import Event
from benchmarks.figures import Figure
from benchmarks.grocer import ROOT, grocer
from benchmarks.synthetic import Shoppers
from engagement.cli.documents import read_program

MEMBERS: Final = 2_000
REFERENCE: Final = ROOT / "tests" / "reference"
COPIES: Final = 10
"""So many definitions more of a kind, to tell what one costs."""
LATENESS: Final = (1, 10, 100, 1_000)
HISTORIES: Final = (1_000, 10_000)

CHALLENGES: Final = 200
START: Final = datetime(2026, 1, 1, tzinfo=UTC)

History: TypeAlias = Sequence[tuple[str, Event]]


def rate(count: int) -> float:
    """Events a second of the example program, each on its member's latest state; the events are read beforehand."""
    rules = ready(parse(grocer()))
    sent = Shoppers(MEMBERS).events(0, count)
    events = [
        _event(rules, each["member"], each["id"], each["type"], each["occurredAt"], each["properties"]) for each in sent
    ]
    return _run(Rulebook(1, [(BEGINNING, rules)]), events)[0]


def details(count: int, rounds: int) -> list[Figure]:
    """The reference program on a year of 80 shoppers, of which `count` events are used: its rate, and what each kind costs;
    what a member takes, what a late event costs, and what it takes to make many definitions ready.
    """
    document = read_program(REFERENCE / "program-n.yaml")
    book, year = _book(document), _year(document)[:count]
    sections = ("earn_rules", "streaks", "challenges", "badges", "tier_ladders", "leaderboards")
    books = {each: _book({**document, each: [*document[each], *_copies(document[each])]}) for each in sections}
    best = dict.fromkeys(("", *books), 0.0)
    # In turn, so that what else the machine does falls on all alike.
    for _ in range(rounds):
        for name in best:
            best[name] = max(best[name], _run(books.get(name, book), year)[0])
    found = [Figure("rules", best[""], "events/s")]
    for section in sections:
        micros = max(1 / best[section] - 1 / best[""], 0.0) * 1e6 / COPIES
        found.append(Figure(f"rules, one more of {section}", micros, "µs per event"))
    tracemalloc.start()
    states = _run(book, year)[1]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    written = sum(len(msgspec.json.encode(state)) for state in states.values())
    found.append(Figure("rules, a member's state as JSON", written / len(states), "bytes"))
    found.append(Figure("rules, a member's state in memory", held / len(states), "bytes"))
    lengths = [each for each in HISTORIES if each <= count]
    return [*found, *_refolds(book, year, lengths, rounds), _made_ready(rounds)]


def _made_ready(rounds: int) -> Figure:
    """What it takes until a program judges of which each challenge has a start and an end of its own, never seen before."""
    taken = []
    for number in range(rounds):
        challenges = [
            {
                "key": f"c{each}",
                "objectives": [
                    {"on": "visit", "when": f"event.spent > {number}.0 && event.spent < {each}.5", "target": 3}
                ],
                "starts": (START + timedelta(days=each)).isoformat(),
                "ends": (START + timedelta(days=each + 30, hours=1)).isoformat(),
            }
            for each in range(CHALLENGES)
        ]
        visit = {"key": "visit", "properties": {"spent": "decimal"}}
        document = {"program": {"key": "many"}, "event_types": [visit], "challenges": challenges}
        begun = time.process_time()
        Rulebook(1, editions(parse(document), BEGINNING))
        taken.append((time.process_time() - begun) * 1e3)
    return Figure(f"rules, {CHALLENGES} challenges with lives of their own", min(taken), "ms")


def _refolds(book: Rulebook, year: History, lengths: Sequence[int], rounds: int) -> list[Figure]:
    """What a late event costs, by how late it is and by how long the history is."""
    found = []
    for length in lengths:
        history = _long(year, length)
        snapshots = {
            each.inputs: each for each in fold.trace(book, MemberState.NOTHING, history, history[-1].at).snapshots
        }
        for late in LATENESS:
            place = length - late
            usable = [inputs for inputs in snapshots if inputs < place]
            base = snapshots[max(usable)] if usable and late < length else MemberState.NOTHING
            now = history[base.inputs :]
            was = [each for each in now if each is not history[place]]
            taken = []
            for _ in range(rounds):
                begun = time.process_time()
                fold.refold(book, base, was, now, history[-1].at)
                taken.append((time.process_time() - begun) * 1e3)
            found.append(Figure(f"rules, {late} late of {length}", min(taken), "ms"))
    return found


def _long(year: History, length: int) -> list[Event]:
    """One member's history of so many events: those of everybody, nine hours apart, so that windows are as full in each."""
    return [
        msgspec.structs.replace(event, id=f"e{number:06d}", at=year[0][1].at + timedelta(hours=9 * number))
        for number, (_, event) in enumerate(islice(cycle(year), length))
    ]


def _run(book: Rulebook, events: History) -> tuple[float, dict[str, MemberState]]:
    states: dict[str, MemberState] = {}
    begun = time.process_time()
    for member, event in events:
        states[member], _ = fold.apply(book, states.get(member, MemberState.NOTHING), event)
    return len(events) / (time.process_time() - begun), states


def _book(document: dict[str, Any]) -> Rulebook:
    return Rulebook(1, [(BEGINNING, ready(parse(document)))])


def _copies(definitions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**definitions[number % len(definitions)], "key": f"copy-{number}"} for number in range(COPIES)]


def _year(document: dict[str, Any]) -> History:
    rules = ready(parse(document))
    with gzip.open(REFERENCE / "given" / "extract_5k.ndjson.gz") as lines:
        sent = [json.loads(line) for line in lines]
    found = [
        _event(rules, each["member_id"], each["event_id"], each["type"], each["occurred_at"], each) for each in sent
    ]
    return sorted(found, key=lambda each: each[1].order)


def _event(
    rules: Rules, member: str, identity: str, event_type: str, at: str, properties: dict[str, Any]
) -> tuple[str, Event]:
    return member, Event(identity, event_type, rfc3339(at), rules.event_types[event_type].read(properties)[0])


if __name__ == "__main__":
    for figure in details(sys.maxsize, int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        print(f"{figure.name:45} {figure.value:12,.2f} {figure.unit}")
