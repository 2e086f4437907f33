"""Badges: what a member holds of each, and how rare it is."""

import strawberry

from engagement.actions.screens import BadgeShown
from engagement.api.effects import Progress
from engagement.api.scalars import DateTime, Decimal, exact, written_or_none
from engagement.api.texts import DESCRIPTION, KEY, NAME


@strawberry.type(description="One level of a badge.")
class BadgeLevel:
    """A step of a badge."""

    key: str = strawberry.field(description="The key of the level.")
    name: str = strawberry.field(description="The level's name; its key where it has none.")
    target: Decimal = strawberry.field(description="What has to be reached for it.")
    awarded_at: DateTime | None = strawberry.field(description="When the member reached it; null where she did not.")


@strawberry.type(description="A badge, won level by level and kept.")
class Badge:
    """A badge with all of its levels, held or not."""

    key: str = strawberry.field(description=KEY)
    name: str = strawberry.field(description=NAME)
    description: str = strawberry.field(description=DESCRIPTION)
    level: str | None = strawberry.field(description="The key of the highest level held; null where none is.")
    levels: list[BadgeLevel] = strawberry.field(description="Its levels, lowest first.")
    hidden: bool = strawberry.field(description="Whether members do not see it before they hold it.")
    rarity: float = strawberry.field(
        description="The share of members who hold it at any level, from 0 to 1, as of at most a minute ago; in a program of"
        " more than 10,000 members, among so many of them."
    )
    next: Progress | None = strawberry.field(description="How far the next level is; null where all are held.")

    @classmethod
    def of(cls, shown: BadgeShown) -> "Badge":
        """As clients read it."""
        levels = [
            BadgeLevel(
                key=each.key, name=each.name, target=exact(each.target), awarded_at=written_or_none(each.awarded_at)
            )
            for each in shown.levels
        ]
        held = [each.key for each in shown.levels if each.awarded_at is not None]
        ahead = next((each for each in shown.levels if each.awarded_at is None and each.target > shown.amount), None)
        return cls(
            key=shown.key,
            name=shown.name,
            description=shown.description,
            level=held[-1] if held else None,
            levels=levels,
            hidden=shown.hidden,
            rarity=shown.rarity,
            next=None if ahead is None else Progress.of(shown.amount, ahead.target),
        )
