"""What is replayed: which history under which program, up to when, and which answers it is held against."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

PROGRAMS: Final = Path(__file__).parents[1] / "tests" / "reference"
ZONES: Final = ("UTC", "America/Chicago", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "Pacific/Auckland")

_MID: Final = datetime.fromisoformat("2017-07-01T16:00:00Z")
_END: Final = datetime.fromisoformat("2018-01-01T04:59:59Z")
_CDNOW_END: Final = datetime.fromisoformat("1998-06-30T23:59:59Z")


@dataclass(frozen=True)
class Run:
    """A replay. `events`, `answers` and `program` are names of files and folders; `until` None is the last event.

    With `refunds` the events of the refund set are reversed afterwards, and the outcome held against answers of its own.
    """

    name: str
    events: str
    answers: str
    program: str
    until: datetime | None
    variant: str = "N"
    as_of: str = "end"
    refunds: bool = False
    timezone: str | None = None
    """In place of the program's."""
    newest_first: bool = False


def runs() -> Iterator[Run]:
    """Every run, the quick ones first."""
    for variant in "NAB":
        yield _shopping("extract_5k", "extract_5k", variant)
    yield _shopping("extract_5k_messy", "extract_5k", "N")
    for zone in ZONES:
        place = zone.rpartition("/")[2].lower().replace("_", "-")
        for order in ("oldest", "newest"):
            name = f"commits-{place}-{order}-first"
            commits = Run(name, "commits_events", "commits", "program-commits", None, timezone=zone)
            yield commits if order == "oldest" else Run(**{**vars(commits), "newest_first": True})
    for variant in "NAB":
        yield _shopping("events_public", "cj_public", variant)
    yield Run("cj_public-n-mid", "events_public", "cj_public", "program-n", _MID, as_of="mid")
    for variant in "NA":
        program = f"program-cdnow-{variant.lower()}"
        yield Run(f"cdnow-{variant.lower()}", "cdnow_events", "cdnow", program, _CDNOW_END, variant, refunds=True)


def _shopping(events: str, answers: str, variant: str) -> Run:
    name = answers if events == "events_public" else events
    small = variant.lower()
    # Whoever spent coupons has no answers after refunds.
    return Run(f"{name}-{small}", events, answers, f"program-{small}", _END, variant, refunds=variant != "B")
