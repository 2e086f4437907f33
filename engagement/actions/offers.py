"""What a member can do for a streak, or have of a ladder, now, at what price, or why she cannot: as her screen shows it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from achievements.fees import Fee, Unsold
from achievements.localtime import LocalTime
from achievements.parts import Price
from achievements.saving import Refused
from achievements.states import StreakPart, TierPart
from achievements.streaks import StreakReady
from achievements.tiers import LadderReady
from engagement.records.ledger import Wallet


class OfferShown(msgspec.Struct, frozen=True):
    """What a member can do for a streak at a `price`; `refused` says why she cannot now, `missing` how many points she lacks.

    `until` is when a run that broke can no longer be restored, and `length` how long the streak would be.
    """

    price: Price | None
    refused: Refused | None
    missing: int = 0
    until: datetime | None = None
    length: int | None = None


def freeze(
    rule: StreakReady, part: StreakPart | None, wallets: Sequence[Wallet], *, open_to: bool
) -> OfferShown | None:
    """A freeze to be bought; None where the streak sells none. `open_to` says that the streak is in force for her."""
    freezes = rule.freezes
    if freezes is None or freezes.price is None:
        return None
    refused = freezes.refused(part) if open_to else Refused.NOT_OFFERED
    return OfferShown(freezes.price, refused, _missing(freezes.price, wallets))


def restoring(
    rule: StreakReady,
    part: StreakPart | None,
    period: int,
    local: LocalTime,
    wallets: Sequence[Wallet],
    *,
    open_to: bool,
) -> OfferShown | None:
    """The restoring of a streak in a period; None where members restore it not at all."""
    restore = rule.restore
    if restore is None or restore.at_most == 0:
        return None
    refused = restore.refused(part, period) if open_to else Refused.NOT_OFFERED
    missing = _missing(restore.price, wallets)
    runs = restore.reachable(None if part is None else part.lost, period)
    if part is None or not runs:
        return OfferShown(restore.price, refused, missing)
    until = local.start(rule.calendar, runs[0].missed + restore.within + 1)
    return OfferShown(restore.price, refused, missing, until, sum(each.length for each in runs) + part.current)


class TierOfferShown(msgspec.Struct, frozen=True):
    """A tier that a member can buy for its `fee`, and `until` when she would hold it; `refused` says why she cannot now, `missing` how
    many points she lacks.
    """

    tier: str
    name: str
    fee: Fee
    until: datetime | None
    refused: Unsold | None
    missing: int


def tiers(
    rule: LadderReady, names: Mapping[str, str], part: TierPart | None, at: datetime, wallets: Sequence[Wallet]
) -> Iterator[TierOfferShown]:
    """The tiers of a ladder that have a fee, lowest first, at an instant to which the part was advanced."""
    for tier, fee in rule.fees.items():
        sale = rule.sale(part, tier, at)
        until, refused = (None, sale) if isinstance(sale, Unsold) else (sale[1], None)
        yield TierOfferShown(tier, names[tier], fee, until, refused, _missing(fee.price, wallets))


def _missing(price: Price | None, wallets: Sequence[Wallet]) -> int:
    if price is None:
        return 0
    return max(0, price.points - sum(each.balance for each in wallets if each.currency == price.currency))
