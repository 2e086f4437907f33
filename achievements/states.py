"""What a member's fold has come to: a part for each definition that something counted for, and what they rest on.

Parts are written as JSON arrays (`array_like`), because a member's row is rewritten with every event. None of these values can
be part of a circle, so Python's collector need not look at them (`gc=False`). All instants are in UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import msgspec

from achievements.values import Amount, Order

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
"""Before every instant: where a member's state starts."""


class Tally(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a measure has counted so far.

    `amount` is what it comes to. Different values are kept in `seen`. Where a window rolls, or local days are told apart,
    `marks` says when each of them, or each of `amounts`, was counted: local days as ordinals, instants as microseconds since
    1970, oldest first.
    """

    amount: Amount = 0
    seen: tuple[str, ...] = ()
    marks: tuple[int, ...] = ()
    amounts: tuple[Amount, ...] = ()


class LimitPart(msgspec.Struct, frozen=True, array_like=True, tag="limit", gc=False):
    """What a rule has given within its limit: in the open window (its index), or in one that rolls (its length, negated).

    `seen` are the values for which it gives nothing again.
    """

    window: int
    tally: Tally
    seen: tuple[str, ...] = ()


class Run(NamedTuple):
    """A run that broke: its length, its first period, and the missed one that ended it."""

    length: int
    began: int
    missed: int


class Lost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The runs of a streak that broke and could be restored when the last of them did, oldest first; how often it was restored, ever,
    and in which periods as far as that still counts towards a limit.
    """

    runs: tuple[Run, ...] = ()
    restores: int = 0
    restored: tuple[int, ...] = ()


class StreakPart(msgspec.Struct, frozen=True, array_like=True, tag="streak", gc=False):
    """`last` is the index of the last active period, `at` the instant at which it last changed.

    `frozen` is the last period that a freeze stood in for; `freezes_held` are those earned or bought, and not used yet. `due` is when the
    first period that is missed, or will be, ends, or when the member is told that it is being missed: `warned` is the period for which she was.
    `began` is the first period of the run. `carried` is the last period that was missed and does not count as such: its definition was
    paused, or the run restored. `counting` is the period in which several measures are under way (its index), with their tallies,
    `lost` what can be restored. `last` is 0 before anything counted.
    """

    last: int
    current: int
    longest: int
    at: datetime
    frozen: int | None = None
    freezes_used: int = 0
    freezes_held: int = 0
    due: datetime | None = None
    began: int | None = None
    warned: int | None = None
    carried: int | None = None
    counting: tuple[int, tuple[Tally, ...]] | None = None
    lost: Lost | None = None

    @property
    def kept(self) -> int:
        """The latest period that was active, or that was missed and does not count as such."""
        kept = self.last if self.frozen is None else max(self.last, self.frozen)
        return kept if self.carried is None else max(kept, self.carried)

    @property
    def restores(self) -> int:
        """How often it was restored, ever."""
        return 0 if self.lost is None else self.lost.restores


class ChallengePart(msgspec.Struct, frozen=True, array_like=True, tag="challenge", gc=False):
    """The open window (its index), the tally of each objective in it, and what was completed before.

    `joined` is since when the member takes part, where that is hers to say; `milestones` are those reached in the window, or
    round, with their instants. `version` is the one of the challenge under which the window, or round, began,
    and `place` what became of her place in it, where there are only so many. `team` is that for which the tallies count, since she
    `joined` it.
    """

    window: int
    tallies: tuple[Tally, ...]
    completed_window: int | None = None
    completed_at: datetime | None = None
    completions: int = 0
    joined: datetime | None = None
    milestones: tuple[tuple[str, datetime], ...] = ()
    version: int = 0
    place: Literal["", "asked", "taken", "missed"] = ""
    team: str = ""


class BadgePart(msgspec.Struct, frozen=True, array_like=True, tag="badge", gc=False):
    """The tally, and the levels awarded with their instants, in the order in which they came."""

    tally: Tally
    awarded: tuple[tuple[str, datetime], ...] = ()


TierGrant: TypeAlias = tuple[str, datetime | None]
"""A tier that was granted, and until when; None for good."""


class TierPart(msgspec.Struct, frozen=True, array_like=True, tag="tier", gc=False):
    """The tier earned, since when (None: from the start), and what counts for it.

    `marks` and `amounts` are the points of the window, by local day of the program or by period of the calendar; `below` is
    the day on which they fell short of the tier, where it is held all the same. `due` is when another tier is held if no more
    come. `grants` are tiers given beside it, each once, up to the last instant for which it was given; `changed` is when the tier held last changed, where a
    grant ever had a part in it.
    """

    tier: str
    since: datetime | None = None
    total: int = 0
    marks: tuple[int, ...] = ()
    amounts: tuple[int, ...] = ()
    below: int | None = None
    due: datetime | None = None
    grants: tuple[TierGrant, ...] = ()
    changed: datetime | None = None


class SegmentPart(msgspec.Struct, frozen=True, array_like=True, tag="segment", gc=False):
    """Of each measure of a segment, the open period (its index) and the tally in it; of a list, whether she is on it."""

    counted: tuple[tuple[int, Tally], ...] = ()
    listed: bool = False


class BoostPart(msgspec.Struct, frozen=True, array_like=True, tag="boost", gc=False):
    """Until when a boost that was given as a reward multiplies what the member earns."""

    until: datetime


class BoardPart(msgspec.Struct, frozen=True, array_like=True, tag="board", gc=False):
    """The score in the latest period (its index) in which the member scored, and the group in which she began it."""

    window: int
    score: int
    reached_at: datetime
    group: str = ""


class ReferralPart(msgspec.Struct, frozen=True, array_like=True, tag="referral", gc=False):
    """By whom a member was brought (the app's own id), on which local day she said so, and when that qualified."""

    by: str
    day: int
    qualified: datetime | None = None


class OccasionPart(msgspec.Struct, frozen=True, array_like=True, tag="occasion", gc=False):
    """The date that returns each year (an ordinal), and when it falls `due` next.

    It returns not before the local day `known_from`; `given` is the one on which it last did.
    """

    day: int
    known_from: int
    given: int | None = None
    due: datetime | None = None


class ConfirmedPart(msgspec.Struct, frozen=True, array_like=True, tag="confirmed", gc=False):
    """The ids of the events that were confirmed, as far as they are remembered, the last one last."""

    events: tuple[str, ...]


class Kept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When an outcome was that is kept, and the points it is worth, where it is points."""

    at: datetime
    points: int = 0
    currency: str = ""


class KeptPart(msgspec.Struct, frozen=True, array_like=True, tag="kept", gc=False):
    """The outcomes that are kept where the past was counted anew, by their names.

    Those of `passing` are said at their own event alone; they stand here up to the last of these, at `until`.
    """

    held: Mapping[str, Kept] = {}
    passing: Mapping[str, Kept] = {}
    until: datetime | None = None


Part: TypeAlias = (
    LimitPart
    | StreakPart
    | ChallengePart
    | BadgePart
    | TierPart
    | SegmentPart
    | BoostPart
    | BoardPart
    | ReferralPart
    | OccasionPart
    | ConfirmedPart
    | KeptPart
)


class OwnZone(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A member's own time zone, since when, the local day of that instant, and the days that were short of 24 hours.

    Her local date never goes back: until the new zone has come to `day`, it is still `day`, which had `begun` for her in whatever
    zone she was then (None: as `since` or the zone says).
    """

    timezone: str
    since: datetime
    day: int
    short: tuple[int, ...] = ()
    begun: datetime | None = None


class MemberState(msgspec.Struct, frozen=True, gc=False):
    """A member's fold up to `at`: every input not after `last` is in it, and all that time brought until `at`.

    `due` is the next instant at which an outcome changes by itself; `parts` holds the state of each definition under
    `section/key`; `zone` is her own, None where she goes by the program's. `attributes` are what the app said of her, as JSON.
    `seed` is what tells her apart in control groups. Of the `inputs`, `told` are nothing that she did: facts, and events of our own.
    `team` is the team that she is in (the app's own id), and since when.
    """

    at: datetime = BEGINNING
    last: Order | None = None
    inputs: int = 0
    due: datetime | None = None
    parts: Mapping[str, Part] = {}
    zone: OwnZone | None = None
    attributes: Mapping[str, Any] = {}
    seed: int = 0
    told: int = 0
    team: tuple[str, datetime] | None = None

    NOTHING: ClassVar["MemberState"]

    @property
    def beginning(self) -> "MemberState":
        """Where this member's fold started."""
        return MemberState(seed=self.seed)


MemberState.NOTHING = MemberState()
