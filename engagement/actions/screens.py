"""A member's whole screen, read in one go: what she has, how far she is, and what comes next.

The fold is advanced in memory to the program's present, so that a screen shows what time has brought whether or not a
worker has been by; nothing is written. Every definition in force that is for her is shown, untouched ones with nothing counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

import msgspec

from achievements import attributes, fold, keeping, periods
from achievements.badges import Badge, BadgeReady
from achievements.boosts import Boost, GivenBoost
from achievements.challenges import Challenge
from achievements.ladders import TierLadder
from achievements.localtime import LocalTime
from achievements.objectives import Needs
from achievements.parts import Definition, Price
from achievements.rewards import RewardReady
from achievements.rulebook import Rules
from achievements.states import BadgePart, MemberState, StreakPart, TierPart
from achievements.streaks import MeasuredStreakReady, Streak, StreakReady
from achievements.tiers import LadderReady
from achievements.values import Amount
from engagement.actions import offers, shelf, wallets
from engagement.actions.offers import OfferShown, TierOfferShown
from engagement.actions.programs import Loaded
from engagement.actions.shown_challenges import ChallengeShown, limited_windows, shown_challenge
from engagement.actions.wallets import Seen
from engagement.errors import NotFound
from engagement.records import goals, members, places
from engagement.records.ledger import Expiry, Wallet
from engagement.records.members import Held, Member
from engagement.records.unit import Unit


class MemberNotFound(NotFound):
    """No event of such a member was recorded in the caller's program."""

    code = "MEMBER_NOT_FOUND"


class WalletShown(msgspec.Struct, frozen=True):
    """What a member has of a currency, and what of it ends next."""

    name: str
    wallet: Wallet
    next_expiry: Expiry | None


class StreakShown(msgspec.Struct, frozen=True):
    """A streak in the present period: `active` says that the period counts already, `ends_at` when it is over.

    `objectives` are (current, target) of each, where a period asks for several things. `freeze` and `restore` are what she can do for
    it; None where the streak knows no such thing.
    """

    key: str
    name: str
    period: periods.Calendar
    current: int
    longest: int
    active: bool
    freezes_used: int
    ends_at: datetime
    zone: str
    objectives: tuple[tuple[Amount, Amount], ...]
    needs: Needs
    freezes_held: int
    restores: int
    freeze: OfferShown | None
    restore: OfferShown | None


class LevelShown(msgspec.Struct, frozen=True):
    """A level of a badge, and since when it is held."""

    key: str
    name: str
    target: int
    awarded_at: datetime | None


class BadgeShown(msgspec.Struct, frozen=True):
    """A badge with its levels, lowest first, and what its measure has come to, or how many of its parts are there.

    `rarity` is the share of members who hold it. One that is `hidden` members do not see before they hold it.
    """

    key: str
    name: str
    description: str
    levels: tuple[LevelShown, ...]
    amount: Amount
    rarity: float
    hidden: bool

    @property
    def secret(self) -> bool:
        """Whether its member does not see it yet."""
        return self.hidden and all(each.awarded_at is None for each in self.levels)


class TierShown(msgspec.Struct, frozen=True):
    """Where a member stands on a ladder: since when (None: from the start), and what counts for it now.

    `ahead` is the next tier (key, name, the points from which it is held), None on the highest. `falls_at` is when she leaves
    her tier if no more points come; None where she does not. `offers` are the tiers for sale.
    """

    key: str
    name: str
    tier: str
    tier_name: str
    since: datetime | None
    qualifying: int
    ahead: tuple[str, str, int] | None
    falls_at: datetime | None
    offers: tuple[TierOfferShown, ...]


class BoostShown(msgspec.Struct, frozen=True):
    """A boost that a reward gave, its factor, and the instant at which it ends."""

    key: str
    name: str
    description: str
    factor: Decimal
    until: datetime


class GoalShown(msgspec.Struct, frozen=True):
    """The reward that a member saves towards, its price for her (None: free), and what she has of its currency."""

    reward: str
    name: str
    price: Price | None
    balance: int


class Screen(msgspec.Struct, frozen=True):
    """Everything about a member at `as_of`, with the number of the newest item of her feed that is in it."""

    member: Member
    zone: str
    attributes: Mapping[str, Any]
    segments: tuple[str, ...]
    as_of: datetime
    seq: int
    wallets: tuple[WalletShown, ...]
    streaks: tuple[StreakShown, ...]
    challenges: tuple[ChallengeShown, ...]
    badges: tuple[BadgeShown, ...]
    tiers: tuple[TierShown, ...]
    boosts: tuple[BoostShown, ...]
    hidden: bool
    goal: GoalShown | None


async def found(unit: Unit, external_id: str) -> Member:
    """The member with the app's own id. Raises `MemberNotFound`."""
    # PostgreSQL keeps no text with a zero in it, and refuses to look for one.
    member = None if "\0" in external_id else await members.find(unit, external_id)
    if member is None:
        raise MemberNotFound("This program has no member of that id.", "member")
    return member


async def read(unit: Unit, loaded: Loaded, shown: Sequence[Member]) -> list[Screen]:
    """The screens of members, in the given order, by three statements however many they are.

    Up to three more where points of somebody fell due, one where a challenge has only so many places, one where there is a shop, and one
    in a while for rarity.
    """
    ids = [each.id for each in shown]
    if not ids:
        return []
    held = await members.states(unit, ids)
    seen = await wallets.read(unit, ids, loaded.now)
    badges = loaded.rulebook.latest.program.sections.get("badges")
    rarity = await loaded.rarities.of(unit, loaded.program.id) if badges else {}
    limited = sorted(limited_windows(loaded, held.values())) if loaded.rulebook.asks else []
    shop = loaded.rulebook.latest.program.sections.get("rewards")
    saving = await goals.of_members(unit, ids) if shop else {}
    common = _Common(rarity, await places.taken(unit, limited) if limited else {}, saving)
    return [_screen(loaded, each, held[each.id], seen[each.id], common) for each in shown]


class _Common(NamedTuple):
    """What screens tell of all members: the share that holds each badge, the places taken in each window of a challenge, and towards
    which reward who saves.
    """

    rarity: Mapping[str, float]
    taken: Mapping[tuple[str, str], int]
    goals: Mapping[UUID, str]


def _screen(loaded: Loaded, member: Member, held: Held, seen: Sequence[Seen], common: _Common) -> Screen:
    # Events of a sandbox may lie ahead of its clock: then her own time is the later one.
    as_of = max(loaded.now, held.state.at)
    rulebook = loaded.line.rulebook_of(held)
    state, _ = fold.advance(rulebook, held.state, as_of)
    rules = rulebook.at(as_of) or rulebook.latest
    local = fold.local_time(rulebook, state)
    kept = keeping.with_badges(state)
    there = [each.wallet for each in seen]
    return Screen(
        member=member,
        zone=local.zone.key,
        attributes=attributes.known(rules.members.attributes, state.attributes),
        segments=rules.members.segments(state, as_of),
        as_of=as_of,
        seq=held.seq,
        wallets=tuple(_wallets(rules, member.id, seen)),
        streaks=tuple(
            _streak(rules, each, state, local, as_of, there)
            for each in _defined(rules, state, as_of, "streaks", Streak)
        ),
        challenges=tuple(
            shown_challenge(rules, each, state, local, as_of, common.taken)
            for each in _defined(rules, state, as_of, "challenges", Challenge)
        ),
        badges=tuple(
            _badge(rules, each, kept, common.rarity) for each in _defined(rules, state, as_of, "badges", Badge)
        ),
        tiers=tuple(
            _tier(rules, each, state, as_of, there)
            for each in _defined(rules, state, as_of, "tier_ladders", TierLadder)
        ),
        boosts=tuple(_boosts(rules, state, as_of)),
        hidden=held.hidden,
        goal=_goal(rules, common.goals.get(member.id), state, there),
    )


def _goal(rules: Rules, key: str | None, state: MemberState, wallets: Sequence[Wallet]) -> GoalShown | None:
    """What she saves towards, where the program still has it."""
    ready = rules.by_name.get(f"{RewardReady.section}/{key}")
    if key is None or not isinstance(ready, RewardReady):
        return None
    price = shelf.price_for(rules, ready, state)
    held = [each.balance for each in wallets if price is not None and each.currency == price.currency]
    return GoalShown(key, ready.definition.title, price, max(0, *held, 0))


D = TypeVar("D", bound=Definition)


def _defined(rules: Rules, state: MemberState, as_of: datetime, section: str, kind: type[D]) -> list[D]:
    """The definitions of a section that are there for a member."""
    return [
        each
        for each in rules.program.sections.get(section, ())
        if isinstance(each, kind) and rules.offers(f"{section}/{each.key}", state, as_of)
    ]


def _wallets(rules: Rules, member_id: UUID, seen: Sequence[Seen]) -> Iterable[WalletShown]:
    held = {each.wallet.currency: each for each in seen}
    # Points outlive the definition of their currency.
    for key in dict.fromkeys((*rules.currencies, *held)):
        name = rules.currencies[key].title if key in rules.currencies else key
        empty = Wallet(member_id, key, earned=0, reversed=0, spent=0, expired=0, balance=0, pending=0, held=0, debt=0)
        yield WalletShown(name, *held.get(key, Seen(empty, None)))


def _streak(
    rules: Rules, streak: Streak, state: MemberState, local: LocalTime, as_of: datetime, wallets: Sequence[Wallet]
) -> StreakShown:
    ready = cast("StreakReady", rules.by_name[f"streaks/{streak.key}"])
    part = cast("StreakPart | None", state.parts.get(ready.name))
    period = periods.index(ready.calendar, local.day(as_of))
    open_to = rules.judges(ready.name, state)
    return StreakShown(
        key=streak.key,
        name=streak.title,
        period=ready.calendar,
        current=0 if part is None else part.current,
        longest=0 if part is None else part.longest,
        active=part is not None and part.current > 0 and part.last == period,
        freezes_used=0 if part is None else part.freezes_used,
        ends_at=local.start(ready.calendar, period + 1),
        zone=local.zone.key,
        objectives=tuple(zip(ready.amounts(part, period), ready.targets, strict=True))
        if isinstance(ready, MeasuredStreakReady)
        else (),
        needs=streak.needs,
        freezes_held=ready.freezes_held(part, period),
        restores=0 if part is None else part.restores,
        freeze=offers.freeze(ready, part, wallets, open_to=open_to),
        restore=offers.restoring(ready, part, period, local, wallets, open_to=open_to),
    )


def _badge(rules: Rules, badge: Badge, state: MemberState, rarity: Mapping[str, float]) -> BadgeShown:
    ready = cast("BadgeReady", rules.by_name[f"badges/{badge.key}"])
    part = cast("BadgePart | None", state.parts.get(ready.name))
    awarded = {} if part is None else dict(part.awarded)
    levels = tuple(
        LevelShown(each.level, each.name or each.level, each.target, awarded.get(each.level)) for each in badge.levels
    )
    return BadgeShown(
        key=badge.key,
        name=badge.title,
        description=badge.description,
        levels=levels,
        amount=ready.amount(part, state.parts),
        rarity=rarity.get(badge.key, 0.0),
        hidden=badge.hidden,
    )


def _boosts(rules: Rules, state: MemberState, as_of: datetime) -> Iterable[BoostShown]:
    """The boosts that she was given and that have not ended."""
    for boost in rules.program.sections.get("boosts", ()):
        rule = rules.by_name.get(f"boosts/{boost.key}")
        until = rule.held(state, as_of) if isinstance(rule, GivenBoost) else None
        if rules.withholds(f"boosts/{boost.key}", state):
            continue
        if isinstance(boost, Boost) and until is not None:
            yield BoostShown(boost.key, boost.title, boost.description, boost.factor, until)


def _tier(
    rules: Rules, ladder: TierLadder, state: MemberState, as_of: datetime, wallets: Sequence[Wallet]
) -> TierShown:
    ready = cast("LadderReady", rules.by_name[f"tier_ladders/{ladder.key}"])
    part = cast("TierPart | None", state.parts.get(ready.name))
    held, qualifying = ready.standing(part, as_of)
    names = {each.key: each.name or each.key for each in ladder.tiers}
    steps = ladder.thresholds[ready.keys.index(held) + 1 :]
    return TierShown(
        key=ladder.key,
        name=ladder.title,
        tier=held,
        tier_name=names[held],
        since=ready.since(part),
        qualifying=qualifying,
        ahead=(steps[0][0], names[steps[0][0]], steps[0][1]) if steps else None,
        falls_at=None if part is None else part.due,
        offers=tuple(offers.tiers(ready, names, part, as_of, wallets))
        if ready.fees and rules.judges(ready.name, state) and rules.reaches(ready.name, state, as_of)
        else (),
    )
