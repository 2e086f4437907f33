"""Merging: one member's history becomes a part of another's, who is one person with her.

What both did is folded as one. What either had by herself is had still: where the whole says no more that it is, it is kept as facts
(`keeping`). Of what both had under one name, which are points and other rewards, hers goes on under another name.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from achievements import fold, keeping
from achievements.fold import Difference
from achievements.outcomes import AnyOutcome, Identity, PointsEarned, RewardGiven
from achievements.values import Fact, Rank

T = TypeVar("T")

MERGED = "merged"
"""The fact that another member became a part of this one. No rule hears it."""


def other_names(hers: Iterable[str], mine: Iterable[str], mark: str) -> dict[str, str]:
    """New names for those of hers that are mine as well; `mark` tells them apart, and no caller's id holds the space before it."""
    taken = set(mine)
    return {name: f"{name}\u00a0{mark}" for name in hers if name in taken}


def facts_beside(hers: Sequence[Fact], mine: Sequence[Fact], mark: str, referring: str) -> dict[str, Fact]:
    """Her facts as they stand among mine, by the ids that they had: ids and places are told apart, in the data under `referring` too."""
    ids = other_names((each.id for each in hers), (each.id for each in mine), mark)
    causes = {each.order.id for each in mine if each.order.rank != Rank.EVENT}
    found = {}
    for each in hers:
        order, data = each.order, each.data
        if order.rank != Rank.EVENT and order.id in causes:
            order = msgspec.structs.replace(order, id=f"{order.id}\u00a0{mark}")
        if data.get(referring) in ids:
            data = {**data, referring: ids[str(data[referring])]}
        found[each.id] = msgspec.structs.replace(each, id=ids.get(each.id, each.id), order=order, data=data)
    return found


def rewards_beside(
    hers: Iterable[tuple[T, str]],
    mine: Iterable[tuple[T, str]],
    given: Collection[str],
    others: Collection[str],
    mark: str,
) -> list[tuple[T, str]]:
    """New names for what both have of rewards, each with its outcome's: she was `given` hers, I the `others`.

    Hers goes on under its name where it stands by an outcome that I do not have; then mine of that name, which nothing gives any more,
    makes room.
    """
    stays = {each for each in given if each not in others}
    making_room = [each for each in mine if each[1] in stays]
    return [
        (which, f"{name}\u00a0{mark}") for which, name in (*(it for it in hers if it[1] not in stays), *making_room)
    ]


def had(
    hers: Mapping[Identity, AnyOutcome], mine: Mapping[Identity, AnyOutcome], lots: Mapping[str, str], mark: str
) -> dict[Identity, AnyOutcome]:
    """What she had by herself, under the names that it goes on under: `lots` says those of her lots. Where she stood is not hers to keep."""
    found = {}
    for identity, each in hers.items():
        if not keeping.is_had(each):
            continue
        kept = each
        if isinstance(each, PointsEarned):
            kept = msgspec.structs.replace(each, lot=lots.get(each.lot, each.lot))
        elif isinstance(each, RewardGiven) and identity in mine:
            kept = msgspec.structs.replace(each, reward=f"{each.reward}\u00a0{mark}")
        found[kept.identity] = kept
    return found


def news_apart(
    whole: Mapping[Identity, AnyOutcome], had: Mapping[Identity, AnyOutcome], now: Mapping[Identity, AnyOutcome]
) -> Difference:
    """What is news to me where a merge is undone: what the whole says otherwise than I do now, but for what she `had` and came with."""
    found = fold.difference(whole, now)
    return msgspec.structs.replace(
        found, gone=tuple(each for each in found.gone if had.get(each.identity) != each), moved=()
    )


def difference(
    mine: Mapping[Identity, AnyOutcome], hers: Mapping[Identity, AnyOutcome], now: Mapping[Identity, AnyOutcome]
) -> Difference:
    """What the whole changes of what both had; what she had and the whole says as well is among what only moved: it comes to me."""
    found = fold.difference({**hers, **mine}, now)
    same = ((each, each) for name, each in hers.items() if name not in mine and now.get(name) == each)
    return msgspec.structs.replace(found, moved=(*found.moved, *same))
