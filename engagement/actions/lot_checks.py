"""Whether lots are as what brought them says: an event, an adjustment, or another member."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from achievements.values import Fact
from engagement.actions.adjustments import ADJUSTED
from engagement.actions.programs import Loaded
from engagement.actions.transfers import LOTS, RECEIVED, TRANSFER
from engagement.records.audit import LotDates, Opening
from engagement.records.facts import MOVED, REFUNDS


def wrong_of(
    loaded: Loaded, lot: LotDates, facts: Sequence[Fact], openings: Sequence[Opening]
) -> Iterator[tuple[str, str, str]]:
    """What of a lot is otherwise than it follows, as it is stored, and as it should be. `facts` are those of its member, `openings` the
    transfers by one of which it came, where it was not earned.
    """
    brought = {each.fact_id for each in openings if each.kind == lot.kind}
    if lot.kind == "earn":
        yield from _of_earned(loaded, lot, facts)
    elif lot.points and not brought:
        yield f"lot {lot.id}", lot.kind, ", ".join(each.kind for each in openings) or "nothing that brought it"
    elif lot.points:
        yield from _of_given(loaded, lot, facts, [each for each in facts if each.id in brought])


def _of_earned(loaded: Loaded, lot: LotDates, facts: Sequence[Fact]) -> Iterator[tuple[str, str, str]]:
    rules = loaded.rules_at(lot.earned_at)
    if lot.currency not in rules.currencies:
        return
    dates = rules.dates(lot.id, lot.currency, lot.earned_at)
    yield from _of_end(loaded, lot, facts, [dates.expires_at])
    if lot.release_at != dates.release_at:
        yield f"release of lot {lot.id}", _written(lot.release_at), _written(dates.release_at)


def _of_given(
    loaded: Loaded, lot: LotDates, facts: Sequence[Fact], brought: Sequence[Fact]
) -> Iterator[tuple[str, str, str]]:
    """Of a lot that a fact brought: it waits for nothing, and came of no event."""
    said = lot.currency, lot.points, lot.earned_at, lot.source, lot.release_at, lot.event_id or ""
    known = [each for fact in brought for each in _lots_of(loaded, fact)]
    expected = [(*each[:4], None, "") for each in known]
    if known and said not in expected:
        yield f"lot {lot.id}", _written(said), " or ".join(map(_written, expected))
    elif known:
        yield from _of_end(loaded, lot, facts, [end for *each, end in known if tuple(each) == said[:4]])


def _lots_of(loaded: Loaded, fact: Fact) -> list[tuple[str, int, datetime, str, datetime | None]]:
    """The lots that a fact brought: currency, points, when they were earned, what for, and when they end."""
    currency = str(fact.data[MOVED]["currency"]) if MOVED in fact.data else ""
    if fact.kind == ADJUSTED:
        rules = loaded.rules_at(fact.at)
        end = rules.currencies[currency].expires_at(fact.at, rules.zone)
        return [(currency, int(fact.data[MOVED]["points"]), fact.at, str(fact.data["reason"]), end)]
    if fact.kind == RECEIVED and LOTS in fact.data:
        given = msgspec.convert(fact.data[LOTS], list[tuple[int, datetime, datetime | None]])
        return [(currency, points, earned_at, TRANSFER, end) for points, earned_at, end in given]
    return []


def _of_end(
    loaded: Loaded, lot: LotDates, facts: Sequence[Fact], ends: Sequence[datetime | None]
) -> Iterator[tuple[str, str, str]]:
    """Where a lot ends otherwise: what came back to it after its end stays for the grace of the instant at which it did."""
    if lot.extended:
        ends = []
        for fact in facts:
            rules = loaded.rules_at(fact.at)
            known = rules.currencies.get(lot.currency) if REFUNDS in fact.data else None
            if known is not None and (grace := known.grace_until(fact.at, rules.zone)) is not None:
                ends.append(grace)
    if lot.expires_at not in ends:
        yield f"end of lot {lot.id}", _written(lot.expires_at), " or ".join(map(_written, ends)) or "no grace"


def _written(value: object) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()
