"""Control groups: what a definition brings about, told by those who are held out from it."""

from enum import Enum
from typing import Annotated

import strawberry

from engagement.actions import control_groups
from engagement.actions.control_groups import Comparison, Group
from engagement.api.principals import DEFINITIONS, Info, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, instant
from engagement.records.unit import Unit


@strawberry.enum(description="The kinds of definitions whose control groups can be compared with the others.")
class ComparedKind(Enum):
    """What is an outcome of each."""

    EARN_RULE = strawberry.enum_value("EARN_RULE", description="An outcome is an event that earned points by it.")
    BOOST = strawberry.enum_value(
        "BOOST",
        description="An outcome is an event that earned points by a rule that it multiplies, with it or not; the points of those held"
        " out are what they earned, with what it would have added or taken away.",
    )
    STREAK = strawberry.enum_value("STREAK", description="An outcome is a reward of a milestone.")
    OCCASION = strawberry.enum_value("OCCASION", description="An outcome is a reward of it.")
    CHALLENGE = strawberry.enum_value("CHALLENGE", description="An outcome is a completion.")
    BADGE = strawberry.enum_value("BADGE", description="An outcome is a level.")
    TIER_LADDER = strawberry.enum_value("TIER_LADDER", description="An outcome is a change of tier, up or down.")
    LEADERBOARD = strawberry.enum_value(
        "LEADERBOARD", description="An outcome is a score in one of its periods; the points are the scores."
    )


@strawberry.type(description="Some members, and what they reached of a definition.")
class MembersCompared:
    """A group."""

    members: int = strawberry.field(description="How many members are in the group now, in the audience or not.")
    reached: int = strawberry.field(description="How many of them had an outcome within the time.")
    rate: float = strawberry.field(description="Their share, from 0 to 1.")
    outcomes: int = strawberry.field(description="How many outcomes they had in all.")
    points: Points = strawberry.field(
        description="The points that these brought, or would have brought, over all currencies."
    )

    @classmethod
    def of(cls, group: Group) -> "MembersCompared":
        """As clients read it."""
        return cls(
            members=group.members,
            reached=group.reached,
            rate=group.rate,
            outcomes=group.outcomes,
            points=Points(group.points),
        )


@strawberry.type(description="The control group of a definition beside the others.")
class ControlGroup:
    """A comparison."""

    percent: int = strawberry.field(
        description="The share of members that the definition is held out from, in percent."
    )
    held_out: MembersCompared = strawberry.field(
        description="Those who are held out: their outcomes are counted, and they are given nothing."
    )
    others: MembersCompared = strawberry.field(
        description="Those who are not: what they were given stands as it is now."
    )
    lift: float | None = strawberry.field(
        description="By how much the rate of the others is above that of those held out: 0.25 for a quarter more; null where none of"
        " these reached anything."
    )
    sampled: bool = strawberry.field(
        description="Whether the program has more members than were looked at: then these are a random sample."
    )

    @classmethod
    def of(cls, found: Comparison) -> "ControlGroup":
        """As clients read it."""
        return cls(
            percent=found.percent,
            held_out=MembersCompared.of(found.held),
            others=MembersCompared.of(found.others),
            lift=found.lift,
            sampled=found.sampled,
        )


@strawberry.type
class ControlGroupsQuery:
    """The field of the root about control groups."""

    @query(
        "What a definition brings about: how many of its control group reach what it is for, and how many of the others. Codes:"
        " `NOT_FOUND` (it has no control group), `INVALID_INPUT` (a time of another form, or one that ends before it begins).",
        DEFINITIONS,
    )
    async def control_group(
        self,
        info: Info,
        kind: Annotated[ComparedKind, strawberry.argument(description="The kind of the definition.")],
        key: Annotated[str, strawberry.argument(description="Its key.")],
        since: Annotated[
            DateTime | None,
            strawberry.argument(
                name="from", description="Outcomes from this instant on; from the beginning where left out."
            ),
        ] = None,
        until: Annotated[
            DateTime | None,
            strawberry.argument(name="to", description="Outcomes before this instant; all where left out."),
        ] = None,
    ) -> ControlGroup:
        """Both groups."""
        resources = resources_of(info)
        begin = None if since is None else instant(since, "from")
        end = None if until is None else instant(until, "to")

        async def work(unit: Unit) -> Comparison:
            return await control_groups.compare(unit, resources.programs, f"{kind.name.lower()}s", key, begin, end)

        return ControlGroup.of(await resources.read(info.context.principal, work))
