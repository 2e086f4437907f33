"""Rewards: what members can have for their points, as a marketer puts it on the shelf.

A reward says what it is, what it costs whom, how much of it there is, and what it gives. Nothing here reads a balance or a stock:
who may have one is asked under lock by whoever keeps those, and that somebody took one is a fact.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.moment import Rule, Stage
from achievements.parts import (
    BENEFITS,
    LOCALE_PATTERN,
    MONEY_PATTERN,
    REWARD_DAYS_MAX,
    Description,
    ForMembers,
    Instant,
    Key,
    Misfit,
    Name,
    Points,
    Price,
    Rewards,
    Shape,
    TierName,
    between,
    instant_of,
)
from achievements.periods import Calendar

STOCK_MAX = 1_000_000_000
LIMIT_MAX = 1_000_000
LOCALES_MAX = 50
SESSIONS_MAX = 100
TIER_PRICES_MAX = 50
IMAGE_CHARACTERS_MAX = 500
COST_MAX = Decimal(1_000_000_000)

REDEEMED = "redeemed"
"""The fact that a member redeemed a reward. No rule hears it."""

SortOfReward: TypeAlias = Literal["discount", "voucher", "product", "experience", "early_access", "donation", "draw"]
Locale: TypeAlias = Annotated[str, msgspec.Meta(pattern=LOCALE_PATTERN)]
Image: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=IMAGE_CHARACTERS_MAX)]
Money: TypeAlias = Annotated[str, msgspec.Meta(pattern=MONEY_PATTERN)]

_IMAGE = re.compile(r"(https://[A-Za-z0-9.-]+(:\d{1,5})?|(?!//))/[A-Za-z0-9._~/%+@!,=&?-]*")
_NEEDS: Mapping[str, str] = {
    "discount": "voucher",
    "voucher": "voucher",
    "draw": "draw",
    "early_access": "entitlement",
}
"""What a reward of a kind gives at least one of."""


class Text(Shape, frozen=True):
    """What people of one locale read."""

    name: Name
    description: Description = ""


class Cost(Shape, frozen=True):
    """What one costs the program, in money: an exact amount of a currency by its three letters."""

    amount: Decimal
    currency: Money

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or not 0 <= self.amount <= COST_MAX:
            raise Misfit("amount", f"a cost is between 0 and {COST_MAX}")


class RedemptionLimit(Shape, frozen=True):
    """How often a member can have it: in each period of the program's calendar, or ever."""

    at_most: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)]
    per: Literal["day", "week", "month", "quarter", "year", "lifetime"] = "lifetime"

    def since(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """From when on redemptions count at an instant; None where all do."""
        calendar = Calendar(self.per)
        if calendar is Calendar.LIFETIME:
            return None
        return periods.start(calendar, periods.period_at(calendar, at, zone), zone)


class Session(Shape, frozen=True):
    """One date of an experience, with its places; it can be booked until it starts."""

    key: Key
    starts: Instant
    ends: Instant
    capacity: Annotated[int, msgspec.Meta(ge=1, le=STOCK_MAX)]
    name: Name | None = None


class Access(Shape, frozen=True):
    """When those who have early access come in: from an instant until another, when everybody may."""

    since: Instant = msgspec.field(name="from")
    until: Instant


class Usable(NamedTuple):
    """From when on and until when what was redeemed can be used, in UTC; None where that does not end."""

    since: datetime
    until: datetime | None


class SessionReady(NamedTuple):
    """A session with its instants in UTC."""

    key: str
    name: str
    starts: datetime
    ends: datetime
    capacity: int


class ShopReward(ForMembers, frozen=True, kw_only=True):
    """What members can redeem: a discount, a voucher, a product, an experience, early access, a donation, or entries in a draw.

    `tier_prices` are lower prices from a tier (`LADDER/TIER`) on; `validity` says for how many days of the program what was redeemed
    can be used, up to the end of the last. One that is `reservable` members can reserve for themselves, and give up; any other servers alone.
    """

    kind = "reward"

    sort: SortOfReward = msgspec.field(name="kind")
    category: Key | None = None
    image: Image | None = None
    texts: Annotated[Mapping[Locale, Text], msgspec.Meta(max_length=LOCALES_MAX)] = msgspec.field(default_factory=dict)
    price: Price | None = None
    tier_prices: Annotated[Mapping[TierName, Points], msgspec.Meta(max_length=TIER_PRICES_MAX)] = msgspec.field(
        default_factory=dict
    )
    cost: Cost | None = None
    stock: Annotated[int, msgspec.Meta(ge=0, le=STOCK_MAX)] | None = None
    limit: RedemptionLimit | None = None
    validity: Annotated[int, msgspec.Meta(ge=1, le=REWARD_DAYS_MAX)] | None = None
    gives: Rewards = ()
    reservable: bool = False
    sessions: Annotated[tuple[Session, ...], msgspec.Meta(max_length=SESSIONS_MAX)] = ()
    window: Access | None = None

    def __post_init__(self) -> None:
        self._check_kind()
        if self.image is not None and not _IMAGE.fullmatch(self.image):
            raise Misfit("image", "an image is an `https://` address, or a path that begins with `/`")
        if self.tier_prices and self.price is None:
            raise Misfit("tier_prices", "what is free has no lower price")
        if self.price is not None and any(points >= self.price.points for points in self.tier_prices.values()):
            raise Misfit("tier_prices", f"the price from a tier on is below the `price`, which is {self.price.points}")
        others = [each.sort for each in self.gives if each.sort not in BENEFITS]
        if others:
            raise Misfit("gives", f"a reward gives {', '.join(BENEFITS[:-1])} or {BENEFITS[-1]}, and no {others[0]}")
        if any(each.days is not None for each in self.gives):
            raise Misfit("gives", "say for how many days once for all of it: `validity: 30`")
        keys = [each.key for each in self.sessions]
        if len(set(keys)) < len(keys):
            raise Misfit("sessions", "two sessions have the same key")

    def _check_kind(self) -> None:
        needed = _NEEDS.get(self.sort)
        if needed is not None and needed not in {each.sort for each in self.gives}:
            raise Misfit("gives", f"a reward of the kind `{self.sort}` gives a {needed}: `gives: [{{{needed}: KEY}}]`")
        if (self.sort == "experience") != bool(self.sessions):
            raise Misfit("sessions", "`sessions` go with `kind: experience`, which has at least one")
        if (self.sort == "early_access") != (self.window is not None):
            raise Misfit("window", "`window` goes with `kind: early_access`, which has one")
        if self.validity is not None and (self.sessions or self.window is not None):
            raise Misfit("validity", "an experience, and early access, has its dates")

    def ready(self, building: Building) -> "RewardReady":
        """Compile it; mistakes are told to `building`."""
        price = self.price
        if price is not None:
            price = Price(price.points, building.currency(price.currency, "price.currency"))
        for named in self.tier_prices:
            ladder, _, tier = named.partition("/")
            tiers = building.named("tier_ladders", ladder, "tier_prices")
            if tiers is not None and tier not in tiers:
                building.mistake("tier_prices", f"no tier `{tier}`; `{ladder}` has: {', '.join(tiers)}")
        return RewardReady(
            key=self.key,
            definition=msgspec.structs.replace(self, price=price, gives=building.rewards(self.gives, "gives")),
            sessions=tuple(self._sessions(building)),
            window=self._window(building),
            zone=building.zone,
        )

    def _sessions(self, building: Building) -> Iterator[SessionReady]:
        for position, each in enumerate(self.sessions):
            try:
                starts, ends = instant_of(each.starts, "starts"), instant_of(each.ends, "ends")
                if ends <= starts:
                    raise Misfit("ends", "`ends` comes after `starts`")
                yield SessionReady(each.key, each.name or each.key, starts, ends, each.capacity)
            except Misfit as error:
                building.mistake(f"sessions[{position}].{error.field}", str(error))

    def _window(self, building: Building) -> Usable | None:
        if self.window is None:
            return None
        try:
            since, until = between(self.window.since, self.window.until)
        except Misfit as error:
            building.mistake(f"window.{error.field}", str(error))
            return None
        assert since is not None, "a window says from when on it is"
        return Usable(since, until)


class RewardReady(Rule, frozen=True, kw_only=True):
    """A reward as it can be asked for. It looks at no event, and keeps no state: what was redeemed is kept by the shop."""

    section = "rewards"
    stage = Stage.DECISIONS

    definition: ShopReward
    sessions: tuple[SessionReady, ...]
    window: Usable | None
    zone: ZoneInfo

    @property
    def event_types(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def session(self, key: str) -> SessionReady | None:
        """The session of a key; None where there is none."""
        return next((each for each in self.sessions if each.key == key), None)

    def price(self, stands: Callable[[str, str], bool]) -> Price | None:
        """What it costs a member of whom `stands` says whether she holds a tier of a ladder, or a higher one; None where it is free."""
        price = self.definition.price
        if price is None:
            return None
        lower = [points for named, points in self.definition.tier_prices.items() if stands(*named.split("/"))]
        return Price(min([price.points, *lower]), price.currency)

    def usable(self, at: datetime, session: SessionReady | None = None) -> Usable:
        """When what is redeemed at an instant can be used."""
        if session is not None:
            return Usable(at, session.ends)
        if self.window is not None:
            return self.window
        days = self.definition.validity
        return Usable(at, None if days is None else periods.end_of_day_after(at, days, self.zone))

    def text(self, locale: str | None) -> Text:
        """What people read who ask for a locale: its own words, those of its language, or those of the definition."""
        texts, definition = self.definition.texts, self.definition
        asked = locale or ""
        while asked:
            if asked in texts:
                return texts[asked]
            asked = asked.rpartition("-")[0]
        return Text(definition.title, definition.description)
