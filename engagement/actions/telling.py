"""Telling a member's history of something that a command brings: a fact at the program's present, her next input.

A command about one member locks her, looks at where she stands, and tells what it has to: `listen`, `Listener.arrive`,
`Listener.tell`, `Listener.save`, in one unit. Where she pays for it, the points leave her purse with the fact, or neither happens.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from achievements.outcomes import Effect
from achievements.parts import Price
from achievements.states import MemberState
from achievements.values import Fact, Order, Rank
from engagement.actions import locking
from engagement.actions.changes import Changes
from engagement.actions.drafts import Draft
from engagement.actions.programs import Loaded, Programs
from engagement.actions.sent_events import ID_CHARACTERS_MAX
from engagement.errors import InvalidInput, NotEnoughPoints
from engagement.records import members
from engagement.records.facts import PAID
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
        self._draft.advance(self.at)
        self._arrived = True

    async def tell(
        self,
        kind: str,
        data: Mapping[str, object],
        *,
        price: Price | None = None,
        source: str = "",
        identity: str | None = None,
    ) -> tuple[Effect, ...]:
        """Let her live up to her present, and then hear a fact; what it brought. At most one in a unit.

        With a `price`, its currency named, she pays it for the definition `source`: raises `NotEnoughPoints` where the balance does not
        allow that, and nothing may be saved then. Who may pay was listened to as one who `pays`. With an `identity`, she hears it once.
        """
        # Time first: a fact stands behind all that happened up to its instant, and behind those told at it before: the version
        # of her row only ever grows.
        await self.arrive()
        name = f"{self._draft.version:012d}/{kind}"
        order = Order(self.at, Rank.FACT, name)
        if price is None:
            fact = Fact(identity or name, kind, self.at, order, data)
            _, effects = self._draft.apply(fact)
        else:
            self._check_covered(price)
            paid = {"currency": price.currency, "points": price.points}
            fact = Fact(name, kind, self.at, order, {**data, PAID: paid})
            _, effects = self._draft.pay(fact, price, source)
        self._draft.facts.append(fact)
        return tuple(effects)

    async def save(self) -> None:
        """Write what it made of her, and let subscribers know."""
        await self._changes.save(self._unit)

    def _check_covered(self, price: Price) -> None:
        assert self._pays, "who may pay is listened to with her balances"
        missing = price.points - self._draft.purse.balance(str(price.currency))
        if missing > 0:
            raise NotEnoughPoints(str(price.currency), price.points, missing)


async def listen(unit: Unit, programs: Programs, member: str, *, pays: bool = False, patient: bool = False) -> Listener:
    """Lock a member by the app's own id, with her balances where she `pays`; one of whom nothing was heard yet is made known by it.

    Raises `InProgress` as `locking.lock_one` does.
    """
    loaded = await programs.load(unit, for_writing=True)
    who = (await members.enrol(unit, [member], loaded.now))[member]
    held = await locking.lock_one(unit, loaded, who, balances=pays, patient=patient)
    return Listener(unit, loaded, Changes(loaded, [held]), who, pays=pays)


def check_member(member: str) -> None:
    """`InvalidInput` for what is no member's id."""
    if not 1 <= len(member) <= ID_CHARACTERS_MAX or not member.isprintable():
        raise InvalidInput(f"An id is 1 to {ID_CHARACTERS_MAX} printable characters.", "member")
