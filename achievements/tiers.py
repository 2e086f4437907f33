"""Tier ladders: where a member stands by the points she earned within a window.

She rises at once. Where her points fall short of her tier, as they leave a window that rolls or a period of the calendar ends,
`downgrade` says when that counts: `at_once`, `at_period_end`, `at_anniversary` of her last change, or `never`; and
`grace_days` gives her so many days more, in which she keeps her tier by reaching its points again. A fall takes her to the tier
that her points are good for then. All of it goes by days of the program's zone.

Over calendar periods the points start anew with each. At once then means the end of the period in which a tier was reached, and
at the period's end the end of the first whole period that did not reach it again.

A ladder with a control group is not there for those who are held out: they hold no tier of it, not even the lowest.

A tier can also be granted, by a reward, by the program's people or for a fee, up to an instant or for good. She holds the higher of
what she earned and what she was granted; what she earned goes on beneath it as if nothing were granted. What is granted of a tier can be
taken back before its end.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.fees import Fee, Unsold
from achievements.moment import Given, Moment, Rule, Stage
from achievements.outcomes import TierChanged
from achievements.periods import DAY, Calendar
from achievements.states import TierGrant, TierPart
from achievements.values import Fact
from achievements.windows import Span

TIER_GRANTED = "tier_granted"
"""The fact that a tier was granted: `data` {"ladder", "tier", "days"}, 0 days for good."""
TIER_BOUGHT = "tier_bought"
"""The fact that a member paid a tier's fee: `data` {"ladder", "tier", "until"}, an instant, which was decided as she paid."""
TIER_REVOKED = "tier_revoked"
"""The fact that whatever was granted of a tier is taken back: `data` {"ladder", "tier"}."""

Downgrade: TypeAlias = Literal["at_once", "at_period_end", "at_anniversary", "never"]


class LadderReady(Rule, frozen=True, kw_only=True):
    """A ladder ready to apply. `keys` and `starts` are its tiers, lowest first, and `positions` where each stands.

    `review` is the calendar of period ends, `length` that of a window which rolls, in days, else 0; `falls` says whether a tier that was earned can be lost at all. `gift`
    is what rewards of its tiers are called; `fees` are those of tiers that can be bought.
    """

    section = "tier_ladders"
    stage = Stage.TIERS
    falls_due = True
    hears: ClassVar[frozenset[str]] = frozenset((TIER_GRANTED, TIER_BOUGHT, TIER_REVOKED))

    currency: str
    gift: str
    keys: tuple[str, ...]
    positions: Mapping[str, int]
    starts: tuple[int, ...]
    span: Span
    length: int
    falls: bool
    downgrade: Downgrade
    review: Calendar
    grace_days: int
    zone: ZoneInfo
    fees: Mapping[str, Fee] = {}

    @property
    def event_types(self) -> None:
        """Whatever earns points."""
        return

    def apply(self, part: TierPart | None, moment: Moment) -> TierPart | None:
        """Add the points of this pass, and rise where they are enough."""
        counts = self.counts
        points = moment.points(self.currency, self.stage, counts) if counts else moment.earned.get(self.currency, 0)
        gifts = tuple(moment.received(self.gift, self.stage)) if counts and self.gift in counts else ()
        if not points and not gifts:
            return part
        before = TierPart(self.keys[0]) if part is None else part
        if gifts or before.grants:
            return self._beside_grants(before, points, gifts, moment)
        after = self._with_points(before, points, moment)
        if self.falls and after.tier != self.keys[0]:
            after = self._dated(after)
        return after if after.tier == before.tier else self._changed(before, after, moment)

    def _beside_grants(self, before: TierPart, points: int, gifts: tuple[Given, ...], moment: Moment) -> TierPart:
        """The part where something was granted, or is now: what it held by then may have ended on the way."""
        after = self._lived(before, moment.event.at)[0] if before.grants else before
        if points:
            after = self._with_points(after, points, moment)
        granted = [(each.detail, self.ends(moment.event.at, each.amount)) for each in gifts]
        return self._with_grants(before, after, granted, moment)

    def told(self, part: TierPart | None, fact: Fact, moment: Moment) -> TierPart | None:
        """A tier was granted, bought, or taken back."""
        if fact.data["ladder"] != self.key:
            return part
        before, tier = TierPart(self.keys[0]) if part is None else part, str(fact.data["tier"])
        after = self._lived(before, fact.at)[0]
        if fact.kind == TIER_REVOKED:
            kept = tuple(each for each in after.grants if each[0] != tier)
            return self._with_grants(before, msgspec.structs.replace(after, grants=kept), (), moment)
        bought = fact.kind == TIER_BOUGHT
        until = periods.rfc3339(fact.data["until"]) if bought else self.ends(fact.at, int(fact.data["days"]))
        return self._with_grants(before, after, [(tier, until)], moment)

    def lapse(self, part: TierPart, moment: Moment) -> TierPart:
        """She falls to the tier that her points are good for, or to what else was granted."""
        after, qualifying = self._lived(part, moment.event.at)
        return self._changed(part, self._dated(after), moment, qualifying)

    def standing(self, part: Any, at: datetime) -> tuple[str, int]:
        """The tier held, and the points that count for it, at an instant to which the part was advanced."""
        if part is None:
            return self.keys[0], 0
        total, _, _ = self._window(part, self._mark(periods.local_day(at, self.zone)))
        return self.tier(part), total

    def tier(self, part: Any) -> str:
        """The tier held in a part that was advanced."""
        return self.keys[0] if part is None else self.keys[self._held(part)]

    def since(self, part: Any) -> datetime | None:
        """Since when the tier is held in a part that was advanced; None from the start."""
        return None if part is None else part.changed or part.since

    def _position(self, tier: str) -> int:
        """Where a tier stands; the lowest for one that the ladder has no more."""
        return self.positions.get(tier, 0)

    def ends(self, at: datetime, days: int) -> datetime | None:
        """When a tier ends that is granted at an instant for so many days of the program; None for good, where that is 0."""
        return periods.end_of_day_after(at, days, self.zone) if days else None

    def granted(self, part: Any, tier: str, at: datetime) -> bool:
        """Whether anything that was granted of a tier has not ended at an instant."""
        grants = () if part is None else part.grants
        return any(each == tier and (until is None or until > at) for each, until in grants)

    def sale(self, part: Any, tier: str, at: datetime) -> tuple[Fee, datetime] | Unsold:
        """For which fee, and until when, a member would hold a tier who bought it at an instant, or why she cannot."""
        fee = self.fees.get(tier)
        if fee is None:
            return Unsold.NOT_FOR_SALE
        part, _ = self._lived(TierPart(self.keys[0]) if part is None else part, at)
        position = self._position(tier)
        ends = [until for each, until in part.grants if self._position(each) >= position]
        if None in ends:
            return Unsold.HELD
        until = fee.until(at, max(filter(None, ends), default=None), self.zone)
        if until is None:
            return Unsold.HELD
        if self._position(part.tier) >= position:
            falls = self._falls_at(part)
            if falls is None or falls >= until:
                return Unsold.HELD
        return fee, until

    def _held(self, part: TierPart) -> int:
        """Where the tier stands that she holds: what was granted and has ended changes nothing up to `due`."""
        earned = self._position(part.tier)
        return max(earned, *(self._position(tier) for tier, _ in part.grants)) if part.grants else earned

    def _mark(self, day: int) -> int:
        return day if self.length else periods.index(self.span.calendar, day)

    def _window(self, part: TierPart, mark: int) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """What is in the window at a mark: its points, and by which marks. Of a calendar, the period before is kept too."""
        marks, amounts = part.marks, part.amounts
        if self.length:
            if not marks or marks[0] > mark - self.length:
                return part.total, marks, amounts
            cut = bisect_right(marks, mark - self.length)
            return part.total - sum(amounts[:cut]), marks[cut:], amounts[cut:]
        cut = bisect_right(marks, mark - 2)
        current = amounts[-1] if marks and marks[-1] == mark else 0
        return current, marks[cut:], amounts[cut:]

    def _with_points(self, part: TierPart, points: int, moment: Moment) -> TierPart:
        """A part with points of this pass: she rises where they are enough."""
        mark = self._mark(moment.program_day)
        total, marks, amounts = self._window(part, mark)
        total += points
        if marks and marks[-1] == mark:
            amounts = (*amounts[:-1], amounts[-1] + points)
        else:
            marks, amounts = (*marks, mark), (*amounts, points)
        held, reached = self._position(part.tier), bisect_right(self.starts, total) - 1
        since, below = part.since, None
        if reached > held:
            held, since = reached, moment.event.at
        elif total < self.starts[held]:
            below = self._short_from(held, part)
        return TierPart(self.keys[held], since, total, marks, amounts, below, None, part.grants, part.changed)

    def _with_grants(self, before: TierPart, part: TierPart, granted: Sequence[TierGrant], moment: Moment) -> TierPart:
        """A part with what was granted; of each tier what lasts longest is kept."""
        for grant in granted:
            if self._position(grant[0]) and not any(_outlasts(other, grant) for other in part.grants):
                kept = tuple(other for other in part.grants if not _outlasts(grant, other))
                part = msgspec.structs.replace(part, grants=(*kept, grant))
        return self._changed(before, self._dated(part), moment)

    def _changed(self, before: TierPart, after: TierPart, moment: Moment, qualifying: int | None = None) -> TierPart:
        """The part after a moment, which tells of it where another tier is held; `qualifying` is what counts, where that is known."""
        if before.tier == after.tier and not before.grants and not after.grants:
            return after
        was, held, at = self.keys[self._held(before)], self.keys[self._held(after)], moment.event.at
        if was == held:
            return after
        counts = self.standing(after, at)[1] if qualifying is None else qualifying
        told = TierChanged(self.key, was, held, at, counts, moment.event.id or None)
        # What is given back where it was lost, or raised twice by one input, is one change, or none.
        earlier = next(
            (each for each in moment.emitted if isinstance(each, TierChanged) and each.identity == told.identity), None
        )
        if earlier is not None:
            moment.emitted.remove(earlier)
            told = msgspec.structs.replace(told, tier_from=earlier.tier_from)
        if told.tier_from != held:
            moment.emitted.append(told)
        if before.grants or after.grants or before.changed is not None:
            return msgspec.structs.replace(after, changed=at)
        return after

    def _dated(self, part: TierPart) -> TierPart:
        """A part with the instant at which another tier is held, if no more points come."""
        due = self._due(part) if part.grants else self._falls_at(part)
        if due is None and part.due is None:
            return part
        # Asked with every event that earns; `replace` takes twice as long.
        return TierPart(
            *(part.tier, part.since, part.total, part.marks, part.amounts, part.below, due, part.grants, part.changed)
        )

    def _due(self, part: TierPart) -> datetime | None:
        """When another tier is held, where some were granted: what ends beneath a higher one changes nothing."""
        held = self._held(part)
        while (at := self._turns_at(part)) is not None:
            part, _ = self._turned(part, at)
            if self._held(part) != held:
                return at
        return None

    def _lived(self, part: TierPart, until: datetime) -> tuple[TierPart, int]:
        """A part after all that became of it up to an instant without more points, and what counted at the last of it."""
        qualifying = 0
        while (at := self._turns_at(part)) is not None and at <= until:
            part, qualifying = self._turned(part, at)
        return part, qualifying

    def _turns_at(self, part: TierPart) -> datetime | None:
        """When she falls from the tier that she earned, or the first grant ends."""
        ends = [self._falls_at(part), *(until for _, until in part.grants)]
        return min((each for each in ends if each is not None), default=None)

    def _turned(self, part: TierPart, at: datetime) -> tuple[TierPart, int]:
        """A part after such an instant, and what counts then."""
        falls = self._falls_at(part)
        grants = tuple(each for each in part.grants if each[1] is None or each[1] > at)
        total, marks, amounts = self._window(part, self._mark(periods.local_day(at, self.zone)))
        if falls is None or falls > at:
            return msgspec.structs.replace(part, grants=grants), total
        qualifying = total
        if self.downgrade == "at_period_end" and not self.span.rolls:
            # The period that is over decides, unless what began since is worth more.
            qualifying = max(total, *amounts, 0) if amounts else 0
        held = bisect_right(self.starts, qualifying) - 1
        return TierPart(self.keys[held], at, total, marks, amounts, None, None, grants, part.changed), qualifying

    def _falls_at(self, part: TierPart) -> datetime | None:
        """When she falls from the tier that she earned, if no more points come: the first instant of a day."""
        held = self._position(part.tier)
        if held == 0 or not self.falls:
            return None
        return periods.start(DAY, self._falls_on(held, part), self.zone)

    def _short_from(self, held: int, part: TierPart) -> int:
        """The day on which the points fall short of the tier held, as they leave the window one after the other."""
        if part.below is not None:
            return part.below
        need = self.starts[held]
        if self.span.rolls:
            left = part.total
            for mark, amount in zip(part.marks, part.amounts, strict=True):
                left -= amount
                if left < need:
                    return mark + self.span.length
            raise AssertionError("a tier above the lowest needs points")
        enough = [mark for mark, amount in zip(part.marks, part.amounts, strict=True) if amount >= need]
        over = enough[-1] + 1 + (self.downgrade == "at_period_end")
        return periods.first_day(self.span.calendar, over).toordinal()

    def _falls_on(self, held: int, part: TierPart) -> int:
        """The day on which she falls."""
        day = self._short_from(held, part)
        if self.span.rolls and self.downgrade == "at_period_end":
            day = _first_of_period(self.review, day)
        elif self.downgrade == "at_anniversary":
            assert part.since is not None, "who stands above the lowest tier has risen"
            day = periods.anniversary(periods.local_day(part.since, self.zone), day)
        return day + self.grace_days


def _outlasts(one: TierGrant, other: TierGrant) -> bool:
    """Whether a grant is of the same tier as another, and lasts as long."""
    return one[0] == other[0] and (one[1] is None or (other[1] is not None and one[1] >= other[1]))


def _first_of_period(calendar: Calendar, day: int) -> int:
    """The first day of a period that is not before a day."""
    period = periods.index(calendar, day)
    first = periods.first_day(calendar, period).toordinal()
    return first if first == day else periods.first_day(calendar, period + 1).toordinal()
