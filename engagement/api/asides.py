"""What is looked up beside effects before they are shown: once for a whole reply, and only what it needs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from graphql import FieldNode, FragmentSpreadNode, SelectionSetNode

from achievements import outcomes
from achievements.badges import Badge
from achievements.rulebook import Rulebook
from engagement.actions import shelf
from engagement.api.effects import Aside
from engagement.api.principals import Info
from engagement.api.redeemed import Names
from engagement.api.resources import resources_of

Told: TypeAlias = Sequence[tuple[str, Sequence[outcomes.Effect]]]
"""Effects, with the app's own id of the member to whom they belong."""


async def aside_of(info: Info, told: Told, rulebook: Rulebook | None = None) -> Aside:
    """What these effects need to be shown; a rulebook that is not at hand is loaded where a badge has to be named."""
    resources, principal = resources_of(info), info.context.principal
    awarded = any(isinstance(each, outcomes.BadgeAwarded) for _, effects in told for each in _outcomes(effects))
    if awarded and rulebook is None:
        rulebook = (await resources.read(principal, resources.programs.load)).rulebook
    names = _names(rulebook) if awarded and rulebook is not None else {}
    if not selects(info, "rank"):
        return Aside(names)
    scored = {
        (each.board, each.period, each.group, member): None
        for member, effects in told
        for each in _outcomes(effects)
        if isinstance(each, outcomes.Scored)
    }
    if scored and rulebook is None:
        rulebook = (await resources.read(principal, resources.programs.load)).rulebook
    boards = {} if rulebook is None else rulebook.boards
    wanted = [
        (boards[board].contest(period, group), member) for board, period, group, member in scored if board in boards
    ]
    ranks = await resources.boards.ranks(principal.program, wanted)
    found = {(*contest.place, member): rank for (contest, member), rank in zip(wanted, ranks, strict=True)}
    return Aside(names, {place: rank for place, rank in found.items() if rank is not None})


async def names_of(info: Info) -> Names:
    """What people call what the shop knows, where any name is asked for."""
    if not selects(info, "name"):
        return {}
    resources = resources_of(info)
    return shelf.names_of((await resources.read(info.context.principal, resources.programs.load)).rulebook.latest)


def selects(info: Info, name: str) -> bool:
    """Whether anything below the field being resolved is a field of that name, whatever directives say of it."""
    raw = info._raw_info  # noqa: SLF001 — Strawberry's own view of a selection is built for all of it.
    seen: set[str] = set()
    ahead: list[SelectionSetNode | None] = [node.selection_set for node in raw.field_nodes]
    while ahead:
        selections = ahead.pop()
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode) and node.name.value == name:
                return True
            if not isinstance(node, FragmentSpreadNode):
                ahead.append(getattr(node, "selection_set", None))
            elif node.name.value not in seen:
                seen.add(node.name.value)
                ahead.append(raw.fragments[node.name.value].selection_set)
    return False


def _outcomes(effects: Iterable[outcomes.Effect]) -> Iterator[outcomes.Effect]:
    return (each.outcome if isinstance(each, outcomes.Withdrawn) else each for each in effects)


def _names(rulebook: Rulebook) -> dict[tuple[str, str], str]:
    badges = rulebook.latest.program.sections.get("badges", ())
    return {
        (badge.key, level.level): level.name or badge.title
        for badge in badges
        if isinstance(badge, Badge)
        for level in badge.levels
    }
