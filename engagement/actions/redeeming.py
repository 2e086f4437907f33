"""Redeeming: a member takes a reward, and the points leave her purse with the fact, the stock, the codes and what she has by it, or
nothing of all that happens.

Locks are taken in one order: the stock of the reward, the member, and then what is hers. Of what there is without end, no stock is kept.
"""

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from achievements.outcomes import Effect
from achievements.parts import Price
from achievements.redeeming import RedemptionChanged
from achievements.rewards import REDEEMED, RewardReady, SessionReady
from achievements.rulebook import Rules
from engagement.actions import issuing, shelf
from engagement.actions.holds import Asked
from engagement.actions.issuing import Issued, Wanted
from engagement.actions.programs import Loaded, Programs
from engagement.actions.shelf import Looker, OnShelf, Stock
from engagement.actions.telling import Listener, check_member, listen
from engagement.errors import InProgress, InvalidInput, NotFound, RewardRefused, Unredeemable
from engagement.records import codes, redemptions, stock
from engagement.records.benefits import Benefit
from engagement.records.redemptions import Redemption
from engagement.records.unit import Database, Unit, Work

_WHY = {
    Unredeemable.NOT_STARTED: "It cannot be redeemed yet.",
    Unredeemable.PAUSED: "It is paused.",
    Unredeemable.ENDED: "It has ended.",
    Unredeemable.NOT_FOR_YOU: "It is not for this member.",
    Unredeemable.LIMIT_REACHED: "The member has had it as often as one may for now.",
    Unredeemable.OUT_OF_STOCK: "None is left.",
    Unredeemable.SESSION_FULL: "No place is left.",
    Unredeemable.SESSION_OVER: "It has begun already.",
}


class RedeemReward(msgspec.Struct, frozen=True):
    """Who (the app's own id) redeems which reward, and of an experience which session."""

    member: str
    reward: str
    session: str | None = None


class Redeemed(msgspec.Struct, frozen=True):
    """A redemption of a member (the app's own id), what she has by it, and what was told of it."""

    member: str
    redemption: Redemption
    benefits: tuple[Benefit, ...]
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


class Counter(NamedTuple):
    """A reward asked for: of whom, at which session, and whether its stock is kept (and locked)."""

    rules: Rules
    ready: RewardReady
    session: SessionReady | None
    counted: bool

    @property
    def sessions(self) -> tuple[str, ...]:
        """The rows of the stock that one takes from."""
        return ("",) if self.session is None else ("", self.session.key)


async def redeem_reward(
    database: Database, programs: Programs, program_id: int, command: RedeemReward, *, principal: str, key: str | None
) -> Redeemed:
    """Let a member redeem a reward at the program's present, for the price of her tier.

    One of whom nothing was heard yet is made known by it. Raises `NotFound` where there is no such reward or session, `RewardRefused`
    where something but the points stands in the way, `NotEnoughPoints`, `InvalidInput` for what is no member's id and where a session
    has to be named; and what `Database.perform` raises.
    """
    check_member(command.member)
    work = functools.partial(_redeem, programs=programs, command=command)
    return await perform(database, program_id, "redeemReward", command, work, Asked(principal, key))


async def perform(
    database: Database,
    program_id: int,
    operation: str,
    command: msgspec.Struct,
    work: Work[Redeemed],
    asked: Asked,
) -> Redeemed:
    """Do something to a redemption once for each key."""
    done, replayed = await database.perform(
        work,
        program_id,
        principal=asked.principal,
        operation=operation,
        key=asked.key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Redeemed).decode,
    )
    answer: Redeemed = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def _redeem(unit: Unit, programs: Programs, command: RedeemReward) -> Redeemed:
    counter, listener, price = await approach(unit, programs, command)
    made = new_redemption(counter, listener, price, redemptions.FULFILLED)
    issued = await hand_out(unit, counter, listener, made)
    effects = await tell(listener, made, price, issued)
    made = msgspec.structs.replace(made, fact=listener.fact_id(REDEEMED), paid=made.points)
    redemptions.add(unit, made)
    await listener.save()
    return Redeemed(command.member, made, tuple(issued.benefits), effects)


async def approach(unit: Unit, programs: Programs, command: RedeemReward) -> tuple[Counter, Listener, Price | None]:
    """Lock the stock of a reward and then the member, and see that nothing stands in her way; one is taken. What she pays, None: nothing."""
    loaded = await programs.load(unit, for_writing=True)
    counter = _counter(loaded, command)
    taken = await _lock(unit, counter, loaded.now)
    listener = await listen(unit, programs, command.member, pays=True, loaded=loaded)
    await listener.arrive()
    found = await _look(unit, counter, listener, taken)
    _refuse(counter, found)
    if found.price is not None:
        listener.check_covered(str(found.price.currency), found.price.points)
    if counter.counted:
        stock.change(unit, counter.ready.key, dict.fromkeys(counter.sessions, 1))
    return counter, listener, found.price


def new_redemption(counter: Counter, listener: Listener, price: Price | None, state: str) -> Redemption:
    """A redemption at the member's present, of which nothing is paid yet."""
    definition, session = counter.ready.definition, counter.session
    usable, cost = counter.ready.usable(listener.at, session), definition.cost
    return Redemption(
        id=uuid7(),
        member_id=listener.id,
        reward=counter.ready.key,
        session="" if session is None else session.key,
        state=state,
        currency=None if price is None else str(price.currency),
        points=0 if price is None else price.points,
        paid=0,
        counted=counter.counted,
        hold=None,
        fact=None,
        cost=None if cost is None else cost.amount,
        money=None if cost is None else cost.currency,
        at=listener.at,
        until=None,
        usable_from=usable.since,
        usable_until=usable.until,
    )


async def hand_out(
    unit: Unit, counter: Counter, listener: Listener, made: Redemption, aside: Iterable[tuple[str, str]] = ()
) -> Issued:
    """Issue what a reward gives; `aside` are the codes that were set aside for it. Raises `RewardRefused` where a pool has none left."""
    usable = counter.ready.usable(listener.at, counter.session)
    wanted = [
        Wanted(each.sort, each.given, each.entries or 1, counter.ready.key, usable, redemption=made.id)
        for each in counter.ready.definition.gives
    ]
    issued = await issuing.issue(unit, counter.rules, listener.id, wanted, listener.at, aside)
    for each in issued.benefits:
        if each.sort == "voucher" and each.code is None:
            await no_code(unit, each.key)
    return issued


async def no_code(unit: Unit, voucher: str) -> None:
    """Refuse for want of a code: nobody can say yet whether there is one, where others are just taking the last."""
    if (await codes.free(unit, [voucher], 1)).get(voucher):
        raise InProgress("The last codes are just being taken; ask again.", "reward")
    raise RewardRefused(Unredeemable.OUT_OF_STOCK, _WHY[Unredeemable.OUT_OF_STOCK], "reward")


async def tell(listener: Listener, made: Redemption, price: Price | None, issued: Issued) -> tuple[Effect, ...]:
    """Let the member hear of a redemption that is fulfilled, and pay its price."""
    changed = RedemptionChanged(str(made.id), made.reward, made.state, listener.at)
    beside: tuple[Effect, ...] = (changed, *issued.effects)
    return await listener.tell(REDEEMED, said_of(made), price=price, source=made.reward, beside=beside)


def said_of(made: Redemption) -> dict[str, object]:
    """What the fact of a redemption says."""
    return {"redemption": str(made.id), "reward": made.reward, "session": made.session}


def _counter(loaded: Loaded, command: RedeemReward) -> Counter:
    rules = loaded.rulebook.at(loaded.now) or loaded.rulebook.latest
    ready = reward_of(rules, command.reward)
    session = None
    if ready.sessions:
        if command.session is None:
            there = ", ".join(each.key for each in ready.sessions)
            raise InvalidInput(f"Name one of its sessions: {there}.", "session")
        session = ready.session(command.session)
        if session is None:
            raise NotFound("The reward has no session of that key.", "session")
    elif command.session is not None:
        raise InvalidInput("The reward has no sessions.", "session")
    return Counter(rules, ready, session, ready.definition.stock is not None or session is not None)


def reward_of(rules: Rules, key: str) -> RewardReady:
    """The reward of a key that is no draft. Raises `NotFound`."""
    ready = rules.by_name.get(f"{RewardReady.section}/{key}")
    if not isinstance(ready, RewardReady) or rules.standing.get(ready.name) == "draft":
        raise NotFound("No reward of that key.", "reward")
    return ready


async def _lock(unit: Unit, counter: Counter, now: datetime) -> dict[str, int]:
    """How many are taken, locked, once what was reserved and is over has been given back."""
    if not counter.counted:
        return {}
    taken = await stock.lock(unit, counter.ready.key, counter.sessions)
    given_back = await give_back_over(unit, counter.ready.key, now)
    return await stock.lock(unit, counter.ready.key, counter.sessions) if given_back else taken


async def give_back_over(unit: Unit, reward: str, now: datetime) -> int:
    """End what was reserved of a reward, whose stock is locked, up to an instant, and give it back; how many there were."""
    over = await redemptions.expire(unit, now, reward)
    if over:
        await codes.free_again(unit, [each for each, _, _ in over])
        give_back(unit, reward, [session for _, session, counted in over if counted])
    return len(over)


def give_back(unit: Unit, reward: str, sessions: Sequence[str]) -> None:
    """Put one back for each of these sessions, whose rows are locked or nobody's but the caller's to change."""
    by = {"": -len(sessions)}
    for session in filter(None, sessions):
        by[session] = by.get(session, 0) - 1
    if sessions:
        stock.change(unit, reward, by)


async def _look(unit: Unit, counter: Counter, listener: Listener, taken: dict[str, int]) -> OnShelf:
    ready, rules = counter.ready, counter.rules
    asked = shelf.limits([ready], listener.at)
    times = await redemptions.had(unit, listener.id, asked, listener.at)
    pools = shelf.pools_of(rules, ready)
    known = Stock(
        {(ready.key, session): count for session, count in taken.items()},
        await codes.free(unit, list(pools), max(pools.values())) if pools else {},
        dict.fromkeys([ready.key], times[0]) if times else {},
    )
    currency = "" if ready.definition.price is None else str(ready.definition.price.currency)
    looker = Looker(listener.state, {currency: listener.purse.balance(currency)})
    return shelf.look(rules, ready, listener.at, known, looker)


def _refuse(counter: Counter, found: OnShelf) -> None:
    """Raise `RewardRefused` for the first thing that stands in the way, but for the points."""
    reasons = list(found.reasons)
    if counter.session is not None:
        # What is true of all its sessions together does not matter to the one that is named.
        named = next(each for each in found.sessions if each.session == counter.session)
        others = (Unredeemable.SESSION_FULL, Unredeemable.SESSION_OVER)
        reasons = [each for each in reasons if each not in others]
        reasons += [named.reason] if named.reason is not None else []
    if reasons:
        field = "session" if reasons[0] in (Unredeemable.SESSION_FULL, Unredeemable.SESSION_OVER) else "reward"
        raise RewardRefused(reasons[0], _WHY[reasons[0]], field)


def identity_of(text: str, what: str, field: str) -> UUID:
    """The id that a text names; `NotFound` where it is none."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(f"No {what} of that id.", field) from error
