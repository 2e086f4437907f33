"""Files of events to take back: one id a line, or Parquet with a column `event_id`; and taking them back through the API."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from engagement.cli import histories
from engagement.cli.client import Client
from engagement.cli.stopping import Stop

REVERSE: Final = """mutation Reverse($input: ReverseEventInput!) {
  reverseEvent(input: $input) {
    __typename
    ... on ReverseEventSuccess { status }
    ... on UserError { code message field }
  }
}"""
_COLUMN: Final = "event_id"
_PARQUET: Final = b"PAR1"


class Reversal(NamedTuple):
    """An event to take back: whose, and which."""

    member: str
    event: str


def read(file: Path, events: Path, until: datetime | None) -> list[Reversal]:
    """The reversals that a file lists, in its order, without those of events after `until`.

    An event's id is unique for its member alone, and the list does not say whose it is: that is looked up in `events`. Stop
    for an id that no event there has, or the events of several members.
    """
    listed = _listed(file)
    wanted, found = set(listed), dict[str, dict[str, datetime]]()
    for told in histories.read(events):
        if told.event["id"] in wanted:
            found.setdefault(told.event["id"], {})[told.event["member"]] = told.occurred_at
    reversals = []
    for name in listed:
        if len(found.get(name, ())) != 1:
            whose = f"an id of {len(found[name])} members" if name in found else "no event's id"
            raise Stop(f"{file}: `{name}` is {whose} in {events}, so it cannot be said whose event to take back.")
        ((member, occurred_at),) = found[name].items()
        if until is None or occurred_at <= until:
            reversals.append(Reversal(member, name))
    return reversals


async def send(client: Client, reversals: Sequence[Reversal]) -> Counter[str]:
    """Take events back, one after the other; how many got each status."""
    statuses = Counter[str]()
    for each in reversals:
        result = await client.settle(REVERSE, {"input": each._asdict()}, "reverseEvent")
        statuses[result["status"]] += 1
    return statuses


def _listed(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            parquet = opened.read(len(_PARQUET)) == _PARQUET
        if not parquet:
            return [name for line in file.read_text(encoding="utf-8").splitlines() if (name := line.strip())]
        column = pl.read_parquet(file, columns=[_COLUMN])[_COLUMN]
    except OSError as error:
        raise Stop(f"{file} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise Stop(f"{file} is neither Parquet nor text: {error.reason} at byte {error.start}.") from error
    except pl.exceptions.PolarsError as error:
        raise Stop(f"{file}: expected Parquet with a column `{_COLUMN}`: {str(error).splitlines()[0]}") from error
    return [str(name) for name in column.drop_nulls()]
