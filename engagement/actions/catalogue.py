"""The catalogue: the shelf as a member sees it, page by page, with what she would pay, how far she is, and why she cannot."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from achievements import fold
from achievements.rewards import RewardReady
from achievements.rulebook import Rules
from engagement.actions import shelf, wallets
from engagement.actions.programs import Loaded, Programs
from engagement.actions.screens import found
from engagement.actions.shelf import Looker, OnShelf, Stock
from engagement.records import codes, members, redemptions, stock
from engagement.records.redemptions import Had
from engagement.records.unit import Unit

POOL_COUNTED_MAX = 10_000
"""So many codes of a pool are counted, and no more, to say how many are left."""


class Wanted(NamedTuple):
    """Which rewards: those of a category, of a kind, and behind a key; where one is named."""

    category: str | None = None
    sort: str | None = None
    after: str = ""


async def read(unit: Unit, programs: Programs, member: str | None, wanted: Wanted, at_most: int) -> list[OnShelf]:
    """Rewards by key as they stand for a member (the app's own id) at her present, or for nobody in particular at the program's.

    Raises `MemberNotFound`.
    """
    loaded = await programs.load(unit)
    if member is None:
        rules = loaded.rulebook.at(loaded.now) or loaded.rulebook.latest
        chosen = _chosen(rules, wanted, at_most)
        known = await _stock(unit, rules, chosen, {})
        return [shelf.look(rules, each, loaded.now, known, None) for each in chosen]
    whose = await found(unit, member)
    rules, at, looker = await _looker(unit, loaded, whose.id)
    chosen = _chosen(rules, wanted, at_most)
    asked = shelf.limits(chosen, at)
    times = await redemptions.had(unit, [Had(whose.id, reward, since, at) for reward, since in asked])
    had = {reward: count for (reward, _), count in zip(asked, times, strict=True)}
    known = await _stock(unit, rules, chosen, had)
    return [shelf.look(rules, each, at, known, looker) for each in chosen]


async def _looker(unit: Unit, loaded: Loaded, member_id: UUID) -> tuple[Rules, datetime, Looker]:
    held = (await members.states(unit, [member_id]))[member_id]
    at = max(loaded.now, held.state.at)
    rulebook = loaded.line.rulebook_of(held)
    state, _ = fold.advance(rulebook, held.state, at)
    seen = (await wallets.read(unit, [member_id], at))[member_id]
    return rulebook.at(at) or rulebook.latest, at, Looker(state, {each.currency: each.balance for each, _ in seen})


def _chosen(rules: Rules, wanted: Wanted, at_most: int) -> list[RewardReady]:
    suitable = [
        each
        for each in shelf.rewards_of(rules)
        if each.key > wanted.after
        and wanted.category in (None, each.definition.category)
        and wanted.sort in (None, each.definition.sort)
    ]
    return suitable[:at_most]


async def _stock(unit: Unit, rules: Rules, chosen: Sequence[RewardReady], had: dict[str, int]) -> Stock:
    pools = sorted({pool for each in chosen for pool in shelf.pools_of(rules, each)})
    return Stock(
        await stock.taken(unit, [each.key for each in chosen]),
        await codes.free(unit, pools, POOL_COUNTED_MAX) if pools else {},
        had,
    )
