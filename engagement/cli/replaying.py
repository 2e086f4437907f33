"""Feeding a history through the API into a sandbox whose clock goes along."""

import itertools
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from achievements.states import BEGINNING
from engagement.cli import reversals
from engagement.cli.client import Client
from engagement.cli.documents import program_key
from engagement.cli.feeding import LANES, REQUEST_EVENTS, Fed, advance, send
from engagement.cli.histories import Told
from engagement.cli.reversals import Reversal

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Where the clock of a replay begins, so that the definitions are in force for all that follows."""
BATCH_EVENTS: Final = LANES * REQUEST_EVENTS
KEY_CHARACTERS_MAX: Final = 64


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a key that no other replay has: its own with a random ending."""
    ending = secrets.token_hex(4)
    name = f"{program_key(document)[: KEY_CHARACTERS_MAX - len(ending) - 1]}-{ending}"
    return {**document, "program": {**document["program"], "key": name}}


class Replay:
    """A sandbox that began at `EPOCH`, what it was fed so far, and where its clock stands."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._clock = EPOCH
        self.fed = Fed()

    async def feed(self, history: Iterable[Told], until: datetime | None, done: Callable[[int], None]) -> None:
        """Send what happened up to `until` in the order of the history; `done` is told how many more were seen to.

        After each batch the clock moves to the latest instant at which anything in it was told, at the end to `until`. Returns
        when everything is applied.
        """
        rest = iter(history)
        while batch := list(itertools.islice(rest, BATCH_EVENTS)):
            kept = [told for told in batch if until is None or told.occurred_at <= until]
            await send(self._client, [told.event for told in kept], self.fed, done)
            done(len(batch) - len(kept))
            latest = max((told.known_at for told in kept), default=BEGINNING)
            latest = latest if until is None else min(latest, until)
            if latest > self._clock:
                await self._move(latest)
        await self._move(self._clock if until is None else max(until, self._clock))

    async def take_back(self, taken_back: Sequence[Reversal]) -> Counter[str]:
        """Reverse events, one after the other, where the clock stands; how many got each status."""
        statuses = await reversals.send(self._client, taken_back)
        await self._move(self._clock)
        return statuses

    async def _move(self, to: datetime) -> None:
        # It does not answer before everything is applied, also what is worked out in the background.
        await advance(self._client, to)
        self._clock = to
