"""Why members cannot be merged, and a merge cannot be undone: each in a word."""

from enum import Enum

import strawberry


@strawberry.enum(description="Why a member cannot become a part of another.")
class MergeReason(Enum):
    """What stands in the way, of the one who would become a part."""

    MERGED = strawberry.enum_value("MERGED", description="They are one member already.")
    TOO_LONG = strawberry.enum_value("TOO_LONG", description="Their histories are too long together.")
    TEAM = strawberry.enum_value("TEAM", description="She is in a team, or has given to one.")
    REFERRAL = strawberry.enum_value("REFERRAL", description="She was brought by somebody, or has brought somebody.")
    DRAW = strawberry.enum_value("DRAW", description="She has entries in a draw.")
    PRIZE = strawberry.enum_value("PRIZE", description="A prize is on its way to her.")
    SAME_EVENT = strawberry.enum_value("SAME_EVENT", description="Both have an event of the same id.")
    PLACE = strawberry.enum_value("PLACE", description="She has asked for one of a limited number of places.")
    KEEPS = strawberry.enum_value("KEEPS", description="She keeps what the rules say no more.")
    DECIDES = strawberry.enum_value("DECIDES", description="Both together would call for a decision that neither did.")


@strawberry.enum(description="Why a merge cannot be undone.")
class UnmergeReason(Enum):
    """What stands in the way."""

    NOT_MERGED = strawberry.enum_value("NOT_MERGED", description="She is no part of another member.")
    NOT_KEPT = strawberry.enum_value(
        "NOT_KEPT", description="They were merged by a version that did not keep what either had before."
    )
    LATER = strawberry.enum_value(
        "LATER", description="The other became a part of a third since, or a third a part of her: undo that first."
    )
    TOO_LONG = strawberry.enum_value("TOO_LONG", description="Their histories are too long together.")
    SPENT = strawberry.enum_value(
        "SPENT", description="Points of both together were spent, set aside, given or taken since."
    )
    DECIDED = strawberry.enum_value(
        "DECIDED",
        description="Something that rests on both together was decided since: whatever is not an event, such as a place, a freeze, an attribute"
        " or a closed leaderboard.",
    )
    DECIDES = strawberry.enum_value(
        "DECIDES", description="One of them by herself would call for a decision that both together did not."
    )
