"""The shelf: what a reward costs a member, how much of it is left, and why she cannot redeem it now.

Asked by who shows it, on a snapshot, and by who redeems, under locks: the answer is the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from achievements.benefits import Entitlement, Voucher
from achievements.lifecycle import ALWAYS, Status
from achievements.parts import Price
from achievements.rewards import RewardReady, SessionReady
from achievements.rulebook import Rules
from achievements.states import MemberState
from achievements.tiers import LadderReady
from engagement.errors import Unredeemable
from engagement.records.stock import Shelf

_SECTIONS = {"reward": "rewards", "voucher": "vouchers", "entitlement": "entitlements", "draw": "draws"}
_STATUS: Mapping[Status, Unredeemable] = {
    "paused": Unredeemable.PAUSED,
    "scheduled": Unredeemable.NOT_STARTED,
    "draft": Unredeemable.NOT_STARTED,
}


class Stock(NamedTuple):
    """How many are taken of rewards and their sessions, how many codes each pool has left, and how often the member took each reward
    that limits it.
    """

    taken: Mapping[Shelf, int]
    free: Mapping[str, int]
    had: Mapping[str, int]


class Looker(NamedTuple):
    """Who looks, at which instant: her state advanced to it, and her balances."""

    state: MemberState
    balances: Mapping[str, int]


class SessionShown(NamedTuple):
    """A session, how many of its places are left, and why it cannot be booked."""

    session: SessionReady
    left: int
    reason: Unredeemable | None


class OnShelf(msgspec.Struct, frozen=True):
    """A reward as it stands for a member, or for nobody in particular: its price (None: free), how many are `left` (None: no end of
    it), how often she can still have it (None: as often as she likes), why she cannot now, and how many points she lacks and has.
    """

    ready: RewardReady
    price: Price | None
    left: int | None
    allowed: int | None
    sessions: tuple[SessionShown, ...]
    reasons: tuple[Unredeemable, ...]
    missing: int
    balance: int

    @property
    def can_redeem(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.reasons and not self.missing


def rewards_of(rules: Rules) -> list[RewardReady]:
    """The rewards that members may see, by key: not those that are drafts, or have ended."""
    known = [each for each in rules.by_name.values() if isinstance(each, RewardReady)]
    shown = [each for each in known if rules.standing.get(each.name) not in ("draft", "ended")]
    return sorted(shown, key=lambda each: each.key)


def pools_of(rules: Rules, ready: RewardReady) -> dict[str, int]:
    """The pools out of which a reward gives codes, and how many of each."""
    wanted: dict[str, int] = {}
    for each in ready.definition.gives:
        if each.voucher is not None and voucher_of(rules, each.voucher).codes == "pool":
            wanted[each.voucher] = wanted.get(each.voucher, 0) + 1
    return wanted


def voucher_of(rules: Rules, key: str) -> Voucher:
    """The voucher of a key; a plain one, where the program has it no more."""
    known = rules.program.sections.get("vouchers", ())
    return next((each for each in known if isinstance(each, Voucher) and each.key == key), Voucher(key=key))


def entitlement_of(rules: Rules, key: str) -> Entitlement:
    """The entitlement of a key; a plain one, where the program has it no more."""
    known = rules.program.sections.get("entitlements", ())
    return next((each for each in known if isinstance(each, Entitlement) and each.key == key), Entitlement(key=key))


def names_of(rules: Rules) -> dict[tuple[str, str], str]:
    """What people call what the shop knows, by sort (`reward`, or a benefit's) and key: those of the program's newest definitions."""
    return {
        (sort, each.key): each.title
        for sort, section in _SECTIONS.items()
        for each in rules.program.sections.get(section, ())
    }


def price_for(rules: Rules, ready: RewardReady, state: MemberState) -> Price | None:
    """What a reward costs a member in a state; None where it is free."""

    def stands(ladder: str, tier: str) -> bool:
        rule = rules.by_name.get(f"{LadderReady.section}/{ladder}")
        if not isinstance(rule, LadderReady) or rules.withholds(rule.name, state):
            return False
        return rule.keys.index(rule.tier(state.parts.get(rule.name))) >= rule.keys.index(tier)

    return ready.price(stands)


def limits(rewards: Sequence[RewardReady], at: datetime) -> list[tuple[str, datetime | None]]:
    """From when on redemptions count towards the limit of each reward that has one."""
    return [
        (each.key, each.definition.limit.since(at, each.zone)) for each in rewards if each.definition.limit is not None
    ]


def look(rules: Rules, ready: RewardReady, at: datetime, stock: Stock, looker: Looker | None) -> OnShelf:
    """A reward at an instant as it stands for whoever looks."""
    definition = ready.definition
    price = ready.price(lambda *_: False) if looker is None else price_for(rules, ready, looker.state)
    left = _left(rules, ready, stock)
    allowed = None
    if definition.limit is not None and looker is not None:
        allowed = max(0, definition.limit.at_most - stock.had.get(ready.key, 0))
    sessions = tuple(_session(each, ready, at, stock) for each in ready.sessions)
    balance = 0 if looker is None or price is None else looker.balances.get(str(price.currency), 0)
    return OnShelf(
        ready=ready,
        price=price,
        left=left,
        allowed=allowed,
        sessions=sessions,
        reasons=tuple(_reasons(rules, ready, at, looker, (left, allowed, sessions))),
        missing=0 if price is None or looker is None else max(0, price.points - balance),
        balance=balance,
    )


def standing(rules: Rules, ready: RewardReady, at: datetime) -> Status:
    """Where a reward stands; where it is active, and gives entries in a draw that is not at the instant of these, where that stands."""
    own = rules.standing.get(ready.name, "active")
    draws = [f"draws/{each.given}" for each in ready.definition.gives if each.draw is not None]
    known = (rules.compiled.lives.get(name, ALWAYS).status(at) for name in draws)
    return own if own != "active" else next((each for each in known if each != "active"), "active")


def _left(rules: Rules, ready: RewardReady, stock: Stock) -> int | None:
    """How many are left: of the stock, of the codes in its pools, and of the places of its sessions."""
    bounds = [stock.free.get(pool, 0) // count for pool, count in pools_of(rules, ready).items()]
    if ready.definition.stock is not None:
        bounds.append(ready.definition.stock - stock.taken.get((ready.key, ""), 0))
    return max(0, min(bounds)) if bounds else None


def _session(session: SessionReady, ready: RewardReady, at: datetime, stock: Stock) -> SessionShown:
    left = max(0, session.capacity - stock.taken.get((ready.key, session.key), 0))
    over = Unredeemable.SESSION_OVER if session.starts <= at else None
    return SessionShown(session, left, over or (None if left else Unredeemable.SESSION_FULL))


def _reasons(
    rules: Rules,
    ready: RewardReady,
    at: datetime,
    looker: Looker | None,
    found: tuple[int | None, int | None, tuple[SessionShown, ...]],
) -> Iterator[Unredeemable]:
    left, allowed, sessions = found
    status = standing(rules, ready, at)
    closes = None if ready.window is None else ready.window.until
    if closes is not None and closes <= at:
        yield Unredeemable.ENDED
    elif status != "active":
        yield _STATUS.get(status, Unredeemable.ENDED)
    elif looker is not None and not rules.reaches(ready.name, looker.state, at):
        yield Unredeemable.NOT_FOR_YOU
    if allowed == 0:
        yield Unredeemable.LIMIT_REACHED
    if left == 0:
        yield Unredeemable.OUT_OF_STOCK
    if sessions and all(each.reason is not None for each in sessions):
        full = any(each.reason is Unredeemable.SESSION_FULL for each in sessions)
        yield Unredeemable.SESSION_FULL if full else Unredeemable.SESSION_OVER
