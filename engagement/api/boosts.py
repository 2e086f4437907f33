"""Boosts that members have."""

import strawberry

from engagement.actions.screens import BoostShown
from engagement.api.scalars import DateTime, Decimal, exact, written
from engagement.api.texts import DESCRIPTION, KEY, NAME


@strawberry.type(description="A boost that a reward gave a member: what she earns is multiplied until it ends.")
class Boost:
    """One boost."""

    key: str = strawberry.field(description=KEY)
    name: str = strawberry.field(description=NAME)
    description: str = strawberry.field(description=DESCRIPTION)
    factor: Decimal = strawberry.field(description="What the points of earn rules are multiplied by.")
    until: DateTime = strawberry.field(description="When it ends.")

    @classmethod
    def of(cls, shown: BoostShown) -> "Boost":
        """As clients read it."""
        return cls(
            key=shown.key,
            name=shown.name,
            description=shown.description,
            factor=exact(shown.factor),
            until=written(shown.until),
        )
