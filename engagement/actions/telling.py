"""Telling a member's history of something that a command brings: a fact at the program's present, her next input.

A command about one member locks her, looks at where she stands, and tells what it has to: `listen`, `Listener.arrive`,
`Listener.tell`, `Listener.save`, in one unit. Where she pays for it, the points leave her purse with the fact, or neither happens.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from achievements.outcomes import Effect, PointsSpent, Withdrawn
from achievements.parts import Price
from achievements.states import MemberState
from achievements.values import ID_CHARACTERS_MAX, Fact, Order, Rank
from engagement.actions import locking
from engagement.actions.changes import Changes
from engagement.actions.drafts import Draft
from engagement.actions.programs import Loaded, Programs
from engagement.actions.purse import Purse
from engagement.errors import HoldNotOpen, InvalidInput, MemberErased, NotEnoughPoints
from engagement.records import holds, ledger, members
from engagement.records.facts import PAID, REFUNDS
from engagement.records.holds import Hold
from engagement.records.unit import Unit


class Listener:
    """One member, locked, who can be told facts at her present (an instant in UTC)."""

    def __init__(self, unit: Unit, loaded: Loaded, changes: Changes, who: UUID, *, pays: bool = False) -> None:
        self.id = who
        self.loaded = loaded
        self._unit = unit
        self._changes = changes
        self._pays = pays
        self._arrived = False
        self._draft: Draft = changes.drafts[who]
        self.at: datetime = self._draft.present

    @property
    def state(self) -> MemberState:
        """Where she stands, as it is stored; at her present once she arrived; after a fact was told, what it made of her."""
        return self._draft.state

    @property
    def version(self) -> int:
        """The version of her row in which this unit writes."""
        return self._draft.version

    @property
    def hidden(self) -> bool:
        """Whether she is on no leaderboard."""
        return self._draft.hidden

    async def arrive(self) -> None:
        """Let her live up to her present: what time has brought is in her state from then on, and what ended is in no balance."""
        if self._arrived:
            return
        if self._pays or self.loaded.rulebook.decides:
            await self._changes.bring_lots(self._unit, [self.id])
        else:
            await self._changes.bring_due(self._unit, {self.id: self.at})
        self.live()

    def live(self) -> None:
        """The same, where what of her lots that needs is at hand."""
        self._draft.advance(self.at)
        self._arrived = True

    def leave(self) -> None:
        """Have nothing written of her, whatever was done to her in memory."""
        del self._changes.drafts[self.id]

    async def tell(
        self,
        kind: str,
        data: Mapping[str, object],
        *,
        price: Price | None = None,
        source: str = "",
        identity: str | None = None,
        beside: Sequence[Effect] = (),
    ) -> tuple[Effect, ...]:
        """Let her live up to her present, and then hear a fact; what it brought, told behind `beside`. At most one in a unit.

        With a `price`, its currency named, she pays it for the definition `source`: raises `NotEnoughPoints` where the balance does not
        allow that, and nothing may be saved then. With an `identity`, she hears it once.
        """
        # Time first: a fact stands behind all that happened up to its instant, and behind those told at it before: the version
        # of her row only ever grows.
        await self.arrive()
        name = self.fact_id(kind)
        if price is not None:
            currency, points = str(price.currency), price.points
            self.check_covered(currency, points)
            self.purse.spend(currency, points, self.at, source=source, event_id="", fact_id=name)
            data = {**data, PAID: {"currency": currency, "points": points}}
            beside = (*beside, PointsSpent(currency, points, source, self.at, ""))
        fact = Fact(identity or name, kind, self.at, Order(self.at, Rank.FACT, name), data)
        _, effects = self._draft.apply(fact, beside)
        self._draft.facts.append(fact)
        return tuple(effects)

    def fact_id(self, kind: str) -> str:
        """The id of a fact of a kind, where she hears it in this unit."""
        return f"{self._draft.version:012d}/{kind}"

    @property
    def purse(self) -> Purse:
        """Her points, at her present once she arrived. Of one who `pays`, all of them are at hand."""
        return self._draft.purse

    def check_covered(self, currency: str, points: int) -> None:
        """Raise `NotEnoughPoints` where a balance does not allow that so many points leave it."""
        assert self._pays, "who may pay is listened to with her balances"
        missing = points - self.purse.balance(currency)
        if missing > 0:
            raise NotEnoughPoints(currency, points, missing)

    async def open_hold(self, hold_id: UUID) -> Hold:
        """A hold of one who arrived and pays; raises `HoldNotOpen` where it has ended by her present."""
        found = self.purse.open_holds.get(hold_id)
        if found is None:
            stored = await holds.find(self._unit, hold_id)
            # Where time has just ended it, nobody has written that yet.
            state = holds.EXPIRED if stored is None or stored.is_open else stored.state
            raise HoldNotOpen(state, f"The hold has ended: it was {state} before.", "hold")
        return found

    async def capture(self, hold: Hold, points: int, kind: str, data: Mapping[str, object]) -> tuple[Effect, ...]:
        """Spend so many of the points that are held, as a fact of this kind tells her; the rest comes free. What it brought."""
        name = self.fact_id(kind)
        freed = self.purse.capture(hold, points, self.at, name)
        spent = PointsSpent(hold.currency, points, hold.source, self.at, "")
        paid = {PAID: {"currency": hold.currency, "points": points}}
        return await self.tell(kind, {**data, **paid}, beside=(spent, *freed))

    async def refund(self, fact_id: str, kind: str, data: Mapping[str, object]) -> tuple[Effect, ...]:
        """Give what a decision took back to the lots that it came from, as a fact of this kind tells her; what it brought.

        What comes back to a lot that has ended can be spent for the days of grace that its currency gives; without any, it ends.
        """
        await self.arrive()
        spends = await ledger.spends(self._unit, self.id, [fact_id])
        await self._changes.bring_lots(self._unit, [], sorted({(self.id, each.lot_id) for each in spends}))
        rules, told = self.loaded.rulebook.at(self.at) or self.loaded.rulebook.latest, list[Effect]()
        for currency, together in groupby(spends, key=lambda each: each.currency):
            given, defined = list(together), rules.currencies.get(currency)
            grace = None if defined is None else defined.grace_until(self.at, rules.zone)
            self.purse.refund(given, self.at, grace)
            points = sum(each.points for each in given)
            told.append(Withdrawn(PointsSpent(currency, points, given[0].source, given[0].at, given[0].event_id)))
        told += self.purse.advance(self.at)
        return await self.tell(kind, {**data, REFUNDS: fact_id}, beside=told)

    def show(self, effects: Sequence[Effect]) -> None:
        """Let her feed tell, at her present, what was done to her points alone."""
        self._draft.tell(effects)

    async def save(self) -> None:
        """Write what it made of her, and of whoever is listened to in the same unit, and let subscribers know."""
        await self._changes.save(self._unit)


async def listen(
    unit: Unit,
    programs: Programs,
    member: str,
    *,
    pays: bool = False,
    patient: bool = False,
    loaded: Loaded | None = None,
) -> Listener:
    """Lock a member by the app's own id, with her balances where she `pays`; one of whom nothing was heard yet is made known by it.
    The program may be `loaded` already, for writing.

    Raises `MemberErased` for one who was erased, and `InProgress` as `locking.lock_one` does.
    """
    if loaded is None:
        loaded = await programs.load(unit, for_writing=True)
    known = await members.enrol(unit, [member], loaded.now)
    who = known.ids.get(member)
    if who is None:
        raise MemberErased.of(member)
    held = await locking.lock_one(unit, loaded, who, balances=pays, patient=patient)
    # Of one who is a part of another, it is not the other's name.
    names = {} if member in known.former else {who: member}
    return Listener(unit, loaded, Changes(loaded, [held], names), who, pays=pays)


async def listen_together(unit: Unit, loaded: Loaded, names: Iterable[str]) -> dict[str, Listener]:
    """Lock members by the app's own ids, with their balances, and let them arrive; saving one saves all.

    Waits for nobody: who is not known yet, is held by another unit, was erased or is to be counted anew is left out, and so is another
    name of somebody who is there.
    """
    known = await members.known(unit, names)
    held = await locking.lock(unit, loaded, set(known.ids.values()), skip_locked=True, in_all=0, balances=True)
    there = {who: each for who, each in held.items() if not each.erased and not loaded.line.behind(each)}
    named = {who: name for name, who in reversed(known.ids.items()) if who in there}
    changes = Changes(loaded, there.values(), {who: name for who, name in named.items() if name not in known.former})
    await changes.bring_lots(unit, there)
    listeners = {name: Listener(unit, loaded, changes, who, pays=True) for who, name in named.items()}
    for each in listeners.values():
        each.live()
    return listeners


async def listen_to(unit: Unit, programs: Programs, ids: Sequence[UUID]) -> dict[UUID, Listener]:
    """Lock members who are known, in order of their ids, with their balances; saving one saves all. Raises `InProgress` as `listen` does."""
    loaded = await programs.load(unit, for_writing=True)
    held = [await locking.lock_one(unit, loaded, who, balances=True) for who in sorted(set(ids))]
    changes = Changes(loaded, held)
    return {each.id: Listener(unit, loaded, changes, each.id, pays=True) for each in held}


def check_member(member: str, field: str = "member") -> None:
    """`InvalidInput` for what is no member's id."""
    if not 1 <= len(member) <= ID_CHARACTERS_MAX or not member.isprintable():
        raise InvalidInput(f"An id is 1 to {ID_CHARACTERS_MAX} printable characters.", field)
