"""What the service tells of its own work to whoever watches: facts and durations, never what an event or a member is.

The layers call an `Observer` and know of no metrics library. The one here does nothing; `telemetry` has the one that counts
and logs. Nothing told here names a member, or holds what a client sent except an operation's name.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

Connection = Literal["websocket", "stream"]

INTERNAL: Final = "INTERNAL_SERVER_ERROR"
"""The code of a defect."""


@dataclass(slots=True)
class Answer:
    """One GraphQL operation, filled in on its way. `kind` is `query`, `mutation`, `subscription`, or `unknown` where it was
    refused before that was known.

    `code` is `OK`, the code of its refusal or of its first error, or `DISCONNECTED` where its caller left before an answer.
    `program_id` is None before it is known who asks. `seconds` is until the last byte was handed over: the whole life of a
    subscription.
    """

    UNANSWERED: ClassVar[str] = "DISCONNECTED"

    request_id: str
    transport: Literal["http", "websocket", "stream"] = "http"
    kind: str = "unknown"
    name: str | None = None
    program_id: int | None = None
    code: str = UNANSWERED
    seconds: float = 0.0


@dataclass(slots=True)
class BatchReport:
    """One transaction that recorded events; `begun` is when it asked for a connection, by `time.perf_counter`.

    `folding_seconds` is what the rules took, and the reckoning of differences. A late
    event makes its member be folded again: `refolds` counts members for whom that was done here, `postponed` those for
    whom it was left to the worker.
    """

    program_id: int
    requests: int
    events: int
    begun: float
    folding_seconds: float = 0.0
    refolds: int = 0
    postponed: int = 0


class Observer:
    """Is told what was done. A call must not raise and not wait: it is made in the middle of the work."""

    def answered(self, answer: Answer) -> None:
        """An operation is over."""

    def connected(self, connection: Connection, change: int) -> None:
        """A long-lived connection was opened (1) or is gone (-1)."""

    def batch_committed(self, batch: BatchReport) -> None:
        """A batch of events was committed."""

    def batch_failed(self, batch: BatchReport, code: str) -> None:
        """A batch was refused as a whole, for the reason of this code, or failed (`INTERNAL_SERVER_ERROR`)."""

    def round_done(self, seconds: float, failures: int) -> None:
        """The worker has been through everything once; so many of its jobs failed and will be tried again."""

    def outbox_seen(self, oldest_seconds: float) -> None:
        """The age of the oldest message that has not left the house; zero where there is none."""


NOBODY: Final = Observer()
"""Watches nothing."""
