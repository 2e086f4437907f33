"""What all definitions share: keys, triggers, windows, rewards, and the way a mistake in one is told.

A marketer learns these parts once. Each definition is a frozen struct that refuses what it does not know.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from achievements import periods

POINTS_MAX = 1_000_000_000
"""No rule, reward or target may be worth more; balances stay far inside 64 bits."""
TRIGGERS_MAX = 20
REWARDS_MAX = 10
REWARD_DAYS_MAX = 3_650
ENTRIES_MAX = 1_000
CONTROL_GROUP_MAX = 99
"""Percent: a definition is for somebody."""
BY_TIER = "tiers."
"""What a group begins with that is told by a ladder."""
NAME_CHARACTERS_MAX = 200
DESCRIPTION_CHARACTERS_MAX = 2_000

KEY_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}\Z"
PROPERTY_PATTERN = r"^[a-z][a-z0-9_]{0,63}\Z"
INSTANT_PATTERN = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z"
GROUP_PATTERN = r"^([a-z][a-z0-9_]{0,63}|tiers\.[a-z0-9][a-z0-9_-]{0,63})\Z"
DATE_PATTERN = r"^\d{4}-\d\d-\d\d\Z"
TIER_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}/[a-z0-9][a-z0-9_-]{0,63}\Z"
LOCALE_PATTERN = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?\Z"
MONEY_PATTERN = r"^[A-Z]{3}\Z"
PREFIX_PATTERN = r"^[A-Z0-9][A-Z0-9-]{0,15}\Z"
HOUR_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d\Z"

Key: TypeAlias = Annotated[str, msgspec.Meta(pattern=KEY_PATTERN)]
TierName: TypeAlias = Annotated[str, msgspec.Meta(pattern=TIER_PATTERN)]
"""A tier with its ladder: `LADDER/TIER`."""
PropertyName: TypeAlias = Annotated[str, msgspec.Meta(pattern=PROPERTY_PATTERN)]
GroupedBy: TypeAlias = Annotated[str, msgspec.Meta(pattern=GROUP_PATTERN)]
"""What puts a member into a group: an attribute of hers, or as `tiers.LADDER` the tier that she holds."""
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Description: TypeAlias = Annotated[str, msgspec.Meta(max_length=DESCRIPTION_CHARACTERS_MAX)]
Points: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=POINTS_MAX)]
Instant: TypeAlias = Annotated[str, msgspec.Meta(pattern=INSTANT_PATTERN)]
LocalDate: TypeAlias = Annotated[str, msgspec.Meta(pattern=DATE_PATTERN)]
Hour: TypeAlias = Annotated[str, msgspec.Meta(pattern=HOUR_PATTERN)]
Trigger: TypeAlias = Key | Annotated[tuple[Key, ...], msgspec.Meta(min_length=1, max_length=TRIGGERS_MAX)]


class Mistake(msgspec.Struct, frozen=True):
    """One thing wrong in a document: where (`challenges[0].window`), and a sentence that says how to mend it."""

    path: str
    message: str


class Misfit(ValueError):
    """What a shape raises of itself when one of its fields is wrong beside the others, or of its own: `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a document: an unknown key in it is a mistake, and a default is not written out."""


class Definition(Shape, frozen=True, kw_only=True):
    """What a marketer names: a key that never changes, and words for people.

    `kind` names its sort; `fixed` are the fields that stay as first published, because states rest on them.
    """

    kind: ClassVar[str]
    fixed: ClassVar[tuple[str, ...]] = ()

    key: Key
    name: Name | None = None
    description: Description = ""

    @property
    def title(self) -> str:
        """The name shown to people; the key where none was given."""
        return self.name or self.key

    @property
    def within(self) -> tuple[str, ...]:
        """The keys of what others can name within it: the levels of a badge, the tiers of a ladder."""
        return ()

    @property
    def counted_from(self) -> datetime | None:
        """The instant in the past from which it counts as well, where its kind can and it says so; Misfit where that is none."""
        written: str | None = getattr(self, "counts_from", None)
        return None if written is None else instant_of(written, "counts_from")


class Living(Definition, frozen=True, kw_only=True):
    """What counts for some time: from the instant `starts` until `ends`, unless it is a draft, or paused. Always, where nothing is said."""

    status: Literal["draft", "active", "paused"] = "active"
    starts: Instant | None = None
    ends: Instant | None = None


class ForMembers(Living, frozen=True, kw_only=True):
    """What is for the members of an audience: a condition on the member alone. For everybody, where it has none."""

    audience: str | None = None


class Granting(ForMembers, frozen=True, kw_only=True):
    """What can be held out from a share of its audience, in percent, so that its effect can be measured."""

    control_group: Annotated[int, msgspec.Meta(ge=1, le=CONTROL_GROUP_MAX)] | None = None


class Recounting(Granting, frozen=True, kw_only=True):
    """What can count the past as well, once it is published: from an instant in it, as if it had been in force since."""

    counts_from: Instant | None = None


class Price(Shape, frozen=True):
    """Points of a currency (of the only one, where a program has one)."""

    points: Points
    currency: Key | None = None


class Reward(Shape, frozen=True, kw_only=True):
    """What is given, exactly one of: points of a currency (of the only one, where a program has one); a badge, at a level of
    its (the lowest where none is named); a tier of a ladder (of the only one); a boost; a voucher, an entitlement, entries in
    a draw.

    `days` says for how many days of the program a tier, a boost, a voucher or an entitlement is given, up to the end of the
    last; a boost always says so, and what does not is given for good.
    """

    points: Points | None = None
    currency: Key | None = None
    badge: Key | None = None
    level: Key | None = None
    tier: Key | None = None
    ladder: Key | None = None
    boost: Key | None = None
    voucher: Key | None = None
    entitlement: Key | None = None
    draw: Key | None = None
    entries: Annotated[int, msgspec.Meta(ge=1, le=ENTRIES_MAX)] | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=REWARD_DAYS_MAX)] | None = None

    def __post_init__(self) -> None:
        if len(self._named) != 1:
            raise ValueError(
                "a reward is exactly one of `points: POINTS`, `badge: BADGE`, `tier: TIER`, `boost: BOOST`, `voucher: VOUCHER`,"
                " `entitlement: ENTITLEMENT` and `draw: DRAW`"
            )
        for field, beside in (("currency", "points"), ("level", "badge"), ("ladder", "tier"), ("entries", "draw")):
            if getattr(self, field) is not None and self.sort != beside:
                raise Misfit(field, f"`{field}` goes with `{beside}`")
        if self.days is not None and self.sort in ("points", "badge", "draw"):
            raise Misfit("days", "`days` goes with `tier`, `boost`, `voucher` or `entitlement`")
        if self.boost is not None and self.days is None:
            raise Misfit("days", "say for how many days the boost is given: `days: 7`")

    @property
    def sort(self) -> str:
        """Which of them it is."""
        return self._named[0]

    @property
    def given(self) -> str:
        """The key of what is given."""
        return str(getattr(self, self.sort)) if self.tier is None else f"{self.ladder}/{self.tier}"

    @property
    def gives(self) -> str:
        """What it gives, in the words of a rule's `gives` and `counts`; its ladder and currency are named by then."""
        if self.points is not None:
            return str(self.currency)
        return f"tier/{self.ladder}" if self.tier is not None else f"{self.sort}/{self.given}"

    @property
    def definition(self) -> str:
        """What is given, as a definition (`section/key`); its ladder is named by then."""
        return f"tier_ladders/{self.ladder}" if self.tier is not None else f"{self.sort}s/{self.given}"

    @property
    def detail(self) -> str:
        """The level of the badge, or the tier."""
        return self.level or self.tier or ""

    @property
    def _named(self) -> tuple[str, ...]:
        return tuple(sort for sort in SORTS if getattr(self, sort) is not None)


SORTS = ("points", "badge", "tier", "boost", "voucher", "entitlement", "draw")
"""What a reward can be, exactly one of them."""

BENEFITS = ("voucher", "entitlement", "draw")
"""Those that become something a member has of the shop."""

Rewards: TypeAlias = Annotated[tuple[Reward, ...], msgspec.Meta(max_length=REWARDS_MAX)]


def instant_of(text: str, field: str) -> datetime:
    """The instant that a field names; Misfit where there is none."""
    try:
        return periods.rfc3339(text)
    except ValueError as error:
        raise Misfit(field, str(error)) from error


def between(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The instants of `from` and `until`, where they are given; Misfit where the second is not after the first."""
    opens = None if since is None else instant_of(since, "from")
    closes = None if until is None else instant_of(until, "until")
    if opens is not None and closes is not None and closes <= opens:
        raise Misfit("until", "`until` comes after `from`")
    return opens, closes


def event_types_of(trigger: Trigger) -> tuple[str, ...]:
    """The event types that a trigger names."""
    return (trigger,) if isinstance(trigger, str) else trigger


class PropertyShape(Shape, frozen=True):
    """What an event type says of a property: its type, the least value of a number (0 unless stated) and the greatest, whether it
    is needed.
    """

    type: str
    min: Decimal | None = None
    required: bool = False
    max: Decimal | None = None

    def __post_init__(self) -> None:
        for name, value in (("min", self.min), ("max", self.max)):
            if value is not None and not value.is_finite():
                raise Misfit(name, f"`{name}` is a number")
        if self.max is not None and self.max < (self.min or 0):
            raise Misfit("max", "`max` is not below `min`, which is 0 unless it is given")


Properties: TypeAlias = Mapping[PropertyName, str | PropertyShape]
