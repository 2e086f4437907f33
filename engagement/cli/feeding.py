"""Feeding many events through the API: requests in flight side by side, one member's events never in two at once."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from engagement.cli.client import Client

REQUEST_EVENTS: Final = 500
LANES: Final = 3
CLOCK_SECONDS: Final = 1_800.0
"""Moving a clock over months applies everything that fell due in them before it answers."""
TOLD_REFUSALS: Final = 5

RECORD: Final = """mutation Feed($input: RecordEventsInput!) {
  recordEvents(input: $input) {
    __typename
    ... on RecordEventsSuccess { receipts { replayed } refused { id code message field } }
    ... on UserError { code message field }
  }
}"""
ADVANCE: Final = """mutation Advance($to: DateTime!) {
  advanceTestClock(input: {to: $to}) {
    __typename
    ... on AdvanceTestClockSuccess { now members }
    ... on UserError { code message field }
  }
}"""

Event: TypeAlias = dict[str, Any]
"""An event as `recordEvents` takes it."""


@dataclass
class Fed:
    """What became of the events sent so far; `refusals` tells of the first few."""

    taken: int = 0
    replayed: int = 0
    refused: int = 0
    refusals: list[str] = field(default_factory=list)

    def count(self, result: dict[str, Any]) -> None:
        """Add the reply to one request."""
        self.taken += len(result["receipts"])
        self.replayed += sum(each["replayed"] for each in result["receipts"])
        self.refused += len(result["refused"])
        room = TOLD_REFUSALS - len(self.refusals)
        self.refusals += [f"{each['id']}: {each['message']} ({each['code']})" for each in result["refused"][:room]]


async def send(client: Client, events: Sequence[Event], fed: Fed, done: Callable[[int], None]) -> None:
    """Send events that stand in order of delivery; `done` is told how many more were answered."""
    lanes: list[list[Event]] = [[] for _ in range(LANES)]
    for event in events:
        lanes[zlib.crc32(str(event["member"]).encode()) % LANES].append(event)

    async def drive(lane: Sequence[Event]) -> None:
        for start in range(0, len(lane), REQUEST_EVENTS):
            batch = lane[start : start + REQUEST_EVENTS]
            fed.count(await client.settle(RECORD, {"input": {"events": batch}}, "recordEvents"))
            done(len(batch))

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(drive(lane))


async def advance(client: Client, to: datetime) -> int:
    """Move the sandbox's clock; of how many members something fell due on the way."""
    result = await client.settle(ADVANCE, {"to": to.isoformat()}, "advanceTestClock", seconds=CLOCK_SECONDS)
    return int(result["members"])


def progress_bar() -> Progress:
    """A bar on stderr for some number of events."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True))
