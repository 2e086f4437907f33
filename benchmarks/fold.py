"""The fold alone: no database, no service, one process."""

import time

from achievements import fold
from achievements.definitions import parse
from achievements.periods import rfc3339
from achievements.rulebook import Rulebook, ready
from achievements.values import BEGINNING, Event, MemberState
from benchmarks.stand import GROCER
from benchmarks.synthetic import Shoppers
from engagement.cli.documents import read_program

MEMBERS = 2_000


def rate(count: int) -> float:
    """Events a second through `fold.apply`, each on its member's latest state; the events are read beforehand."""
    rules = ready(parse(read_program(GROCER)))
    rulebook = Rulebook(1, [(BEGINNING, rules)])
    events = [
        (
            event["member"],
            Event(
                event["id"],
                event["type"],
                rfc3339(event["occurredAt"]),
                rules.event_types[event["type"]].read(event["properties"])[0],
            ),
        )
        for event in Shoppers(MEMBERS).events(0, count)
    ]
    states: dict[str, MemberState] = {}
    begun = time.perf_counter()
    for member, event in events:
        states[member], _ = fold.apply(rulebook, states.get(member, MemberState.NOTHING), event)
    return count / (time.perf_counter() - begun)
