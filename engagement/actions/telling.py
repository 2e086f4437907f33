"""Telling a member's history of something that a command brings: a fact at the program's present, her next input.

A command about one member locks her, looks at where she stands, and tells what it has to: `listen`, `Listener.tell`,
`Listener.save`, in one unit.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from achievements.outcomes import Effect
from achievements.states import MemberState
from achievements.values import Fact, Order, Rank
from engagement.actions.changes import Changes
from engagement.actions.drafts import Draft
from engagement.actions.programs import Loaded, Programs
from engagement.actions.sent_events import ID_CHARACTERS_MAX
from engagement.errors import InvalidInput
from engagement.records import members
from engagement.records.unit import Unit


class Listener:
    """One member, locked, who can be told facts at her present (an instant in UTC)."""

    def __init__(self, unit: Unit, loaded: Loaded, changes: Changes, who: UUID) -> None:
        self.id = who
        self.loaded = loaded
        self._unit = unit
        self._changes = changes
        self._draft: Draft = changes.drafts[who]
        self.at: datetime = self._draft.present

    @property
    def state(self) -> MemberState:
        """Where she stands; after a fact was told, what it made of her."""
        return self._draft.state

    async def tell(self, kind: str, data: Mapping[str, object]) -> tuple[Effect, ...]:
        """Let her live up to her present, and then hear a fact; what it brought. At most one in a unit."""
        if self.loaded.rulebook.decides:
            await self._changes.bring_lots(self._unit, [self.id])
        else:
            await self._changes.bring_due(self._unit, {self.id: self.at})
        # Time first: a fact stands behind all that happened up to its instant, and behind those told at it before: the version
        # of her row only ever grows.
        name = f"{self._draft.version:012d}/{kind}"
        fact = Fact(name, kind, self.at, Order(self.at, Rank.FACT, name), data)
        _, effects = self._draft.apply(fact)
        self._draft.facts.append(fact)
        return tuple(effects)

    async def save(self) -> None:
        """Write what it made of her, and let subscribers know."""
        await self._changes.save(self._unit)


async def listen(unit: Unit, programs: Programs, member: str) -> Listener:
    """Lock a member by the app's own id; one of whom nothing was heard yet is made known by it."""
    loaded = await programs.load(unit, for_writing=True)
    who = (await members.enrol(unit, [member], loaded.now))[member]
    held = (await members.lock_states(unit, [who], balances=loaded.rulebook.decides))[who]
    return Listener(unit, loaded, Changes(loaded, [held]), who)


def check_member(member: str) -> None:
    """`InvalidInput` for what is no member's id."""
    if not 1 <= len(member) <= ID_CHARACTERS_MAX or not member.isprintable():
        raise InvalidInput(f"An id is 1 to {ID_CHARACTERS_MAX} printable characters.", "member")
