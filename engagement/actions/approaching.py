"""Coming to the counter for rewards: stock and members are locked, and nothing stands in their way, or they are told what does.

Locks are taken in one order: the stock by its rewards, the members by their ids, and then what is theirs. Of what there is without
end, no stock is kept. Of several who come in one unit, nobody waits for what is locked elsewhere and does not concern all of them, and nobody is refused for
another's sake: who cannot be let in with the others is left, to come again.
"""

from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec

from achievements.parts import Price
from achievements.rewards import RewardReady, SessionReady
from achievements.rulebook import Rules
from engagement.actions import shelf
from engagement.actions.gathering import Left
from engagement.actions.programs import Loaded, Programs
from engagement.actions.shelf import Looker, OnShelf, Stock
from engagement.actions.telling import Listener, listen, listen_together
from engagement.errors import InProgress, InvalidInput, NotFound, Refusal, RewardRefused, Unredeemable
from engagement.records import codes, redemptions, stock
from engagement.records.redemptions import Ended, Had
from engagement.records.stock import Shelf
from engagement.records.unit import Unit

WHY = {
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


class Counter(NamedTuple):
    """A reward asked for: of whom, at which session, and whether its stock is kept (and locked)."""

    rules: Rules
    ready: RewardReady
    session: SessionReady | None
    counted: bool

    @property
    def pools(self) -> dict[str, int]:
        """The pools out of which it gives codes, and how many of each."""
        return shelf.pools_of(self.rules, self.ready)

    @property
    def shelves(self) -> tuple[Shelf, ...]:
        """The rows of the stock that one takes from."""
        whole = (self.ready.key, "")
        if not self.counted:
            return ()
        return (whole,) if self.session is None else (whole, (self.ready.key, self.session.key))

    def misses(self, taken: Mapping[Shelf, int], wanted: Mapping[Shelf, int]) -> bool:
        """Whether what is reserved and over has to be given back, so that all who come can have one: of the stock, its codes, or places."""
        stocked = self.ready.definition.stock
        places = None if self.session is None else self.session.capacity
        bounds = zip(self.shelves, (stocked, places), strict=False)
        short = any(bound is not None and taken[each] + wanted[each] > bound for each, bound in bounds)
        return short or (self.counted and bool(self.pools))


class Approached(NamedTuple):
    """A member at her present who is let in: nothing stands in her way, and one is taken. What she pays, None: nothing; and the codes
    (voucher, code) that she gets out of pools, where they were drawn.
    """

    counter: Counter
    listener: Listener
    price: Price | None
    codes: Sequence[tuple[str, str]] = ()


Answer: TypeAlias = Approached | Refusal | Left


async def approach(unit: Unit, programs: Programs, command: RedeemReward) -> Approached:
    """Let one member in, who is made known where nothing was heard of her yet. No codes are drawn. Raises what stands in her way."""
    group = _Group(unit, await programs.load(unit, for_writing=True), [command], alone=True, draws=False)
    (answer,) = await group.answers(programs)
    if isinstance(answer, Refusal):
        raise answer
    assert isinstance(answer, Approached), "who comes alone is not left"
    return answer


async def approach_together(
    unit: Unit, programs: Programs, commands: Sequence[RedeemReward], *, alone: bool
) -> list[Answer]:
    """Let several in, in their order, with the codes that they get; saving one saves all of them. Where all want one reward, they wait
    for its stock.

    Nothing is done to whoever is refused or left. Who comes `alone` is never left, waits for whatever is locked, and raises where she is
    erased or being counted anew.
    """
    group = _Group(unit, await programs.load(unit, for_writing=True), commands, alone=alone, draws=True)
    return await group.answers(programs)


class _Group:
    """Who comes in one unit, each by her place among them."""

    def __init__(
        self, unit: Unit, loaded: Loaded, commands: Sequence[RedeemReward], *, alone: bool, draws: bool
    ) -> None:
        self._alone = alone
        self._draws = draws
        self._codes: dict[str, list[str]] = {}
        self._free: dict[str, int] = {}
        self._unit = unit
        self._loaded = loaded
        self._commands = commands
        self._counters: dict[int, Counter] = {}
        self._answers: dict[int, Answer] = {}

    async def answers(self, programs: Programs) -> list[Answer]:
        for place, command in enumerate(self._commands):
            try:
                self._counters[place] = counter_of(self._loaded, command)
            except Refusal as refusal:
                self._answers[place] = refusal
        taken = await self._lock_stock()
        listeners = await self._listen(programs)
        await self._let_in(listeners, taken)
        return [self._answers[place] for place in range(len(self._commands))]

    def _leave(self, named: Mapping[int, int | str]) -> None:
        for place, name in named.items():
            self._answers[place] = Left(name)
            del self._counters[place]

    async def _lock_stock(self) -> dict[Shelf, int]:
        """How many are taken, locked, once what was reserved and is over has been given back where it is missed; who cannot have the
        locks is left.
        """
        shelves = {each for counter in self._counters.values() for each in counter.shelves}
        if not shelves:
            return {}
        several = len({each.ready.key for each in self._counters.values()}) > 1
        taken = await stock.lock(self._unit, shelves, skip_locked=several)
        # Where others hold it, those who want the same wait for it together.
        missed = {
            place: each.ready.key for place, each in self._counters.items() if not taken.keys() >= {*each.shelves}
        }
        self._leave(missed)
        wanted = Counts(each for counter in self._counters.values() for each in counter.shelves)
        short = {each.ready.key for each in self._counters.values() if each.misses(taken, wanted)}
        given_back = await give_back_over(self._unit, short, self._loaded.now) if short else 0
        return await stock.lock(self._unit, taken) if given_back else taken

    async def _listen(self, programs: Programs) -> dict[int, Listener]:
        named = {place: self._commands[place].member for place in self._counters}
        if self._alone:
            found = {
                name: await listen(self._unit, programs, name, pays=True, loaded=self._loaded)
                for name in named.values()
            }
            for each in found.values():
                await each.arrive()
        else:
            found = await listen_together(self._unit, self._loaded, named.values())
        listeners: dict[int, Listener] = {}
        for place, name in named.items():
            # She hears of one thing at a time.
            if name in found:
                listeners[place] = found.pop(name)
        self._leave({place: place for place in named if place not in listeners})
        return listeners

    async def _let_in(self, listeners: dict[int, Listener], taken: dict[Shelf, int]) -> None:
        had = await self._had(listeners)
        await self._look_at_pools(listeners)
        more: Counts[Shelf] = Counts()
        for place, listener in listeners.items():
            try:
                found = self._answers[place] = self._admit(place, listener, taken, had.get(place, {}))
            except Refusal as refusal:
                listener.leave()
                self._answers[place] = refusal
                continue
            for each in found.counter.shelves:
                taken[each] += 1
                more[each] += 1
        stock.change(self._unit, more)
        codes.put_back(self._unit, [codes.hash_of(code) for left in self._codes.values() for code in left])

    async def _had(self, listeners: dict[int, Listener]) -> dict[int, dict[str, int]]:
        """How often each has had the reward that she wants, where that is limited."""
        asked = [
            (place, Had(listener.id, reward, since, listener.at))
            for place, listener in listeners.items()
            for reward, since in shelf.limits([self._counters[place].ready], listener.at)
        ]
        counts = await redemptions.had(self._unit, [each for _, each in asked])
        return {place: {each.reward: count} for (place, each), count in zip(asked, counts, strict=True)}

    async def _look_at_pools(self, listeners: Iterable[int]) -> None:
        """Draw the codes that those who are there want, as many as nobody else is just taking; how many are free beside."""
        wanted: Counts[str] = Counts()
        for place in listeners:
            wanted.update(self._counters[place].pools)
        if self._draws:
            self._codes = {pool: await codes.take(self._unit, pool, count) for pool, count in sorted(wanted.items())}
        short = [pool for pool, count in wanted.items() if len(self._codes.get(pool, ())) < count]
        if short:
            self._free = await codes.free(self._unit, short, max(wanted.values()))

    def _admit(self, place: int, listener: Listener, taken: dict[Shelf, int], had: dict[str, int]) -> Approached:
        """Raises what stands in her way."""
        counter, pools = self._counters[place], self._counters[place].pools
        ready, price = counter.ready, counter.ready.definition.price
        there = {pool: len(self._codes[pool]) for pool in pools} if self._draws else self._free
        currency = "" if price is None else str(price.currency)
        looker = Looker(listener.state, {currency: listener.purse.balance(currency)})
        try:
            found = _refuse(counter, shelf.look(counter.rules, ready, listener.at, Stock(taken, there, had), looker))
        except RewardRefused as refusal:
            if self._draws and refusal.reason is Unredeemable.OUT_OF_STOCK:
                check_nobody_takes(sum(self._free.get(pool, 0) for pool in pools))
            raise
        if found.price is not None:
            listener.check_covered(str(found.price.currency), found.price.points)
        drawn = [(pool, self._codes[pool].pop()) for pool, count in pools.items() for _ in range(count) if self._draws]
        return Approached(counter, listener, found.price, drawn)


def check_nobody_takes(free: int) -> None:
    """Who got no code, though so many seem to be free, is to come again: others are just taking them, and may yet let go of some."""
    if free:
        raise InProgress("The last codes are just being taken; ask again.", "reward")


def counter_of(loaded: Loaded, command: RedeemReward) -> Counter:
    """What somebody comes for. Raises `NotFound`, and `InvalidInput` where a session has to be named."""
    rules = loaded.rules_at(loaded.now)
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


async def give_back_over(unit: Unit, rewards: Iterable[str], now: datetime) -> int:
    """End what was reserved of some rewards, whose stock is locked, up to an instant, and give it back; how many there were."""
    over = await redemptions.expire(unit, now, sorted(rewards))
    await give_back_ended(unit, over)
    return len(over)


async def give_back_ended(unit: Unit, ended: Sequence[Ended]) -> None:
    """Put back what was set aside for redemptions that are reserved no more: codes, and the stock, which is locked."""
    if ended:
        await codes.free_again(unit, [each for each, _, _ in ended])
        give_back(unit, [of for _, of, counted in ended if counted])


def give_back(unit: Unit, shelves: Sequence[Shelf]) -> None:
    """Put one back for each of these, whose rows are locked or nobody's but the caller's to change."""
    by: Counts[Shelf] = Counts()
    for reward, session in shelves:
        by.subtract({(reward, ""), (reward, session)})
    stock.change(unit, by)


def _refuse(counter: Counter, found: OnShelf) -> OnShelf:
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
        raise RewardRefused(reasons[0], WHY[reasons[0]], field)
    return found
