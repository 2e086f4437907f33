"""Made-up shoppers after the shape of a real year: how often they come, how much they spend, on what, at which hour.

The figures are those of the Complete Journey data (2,469 households, 155,848 baskets). The same arguments always give the
same events, and any stretch of the history can be made without the stretches before it.
"""

import bisect
import itertools
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

Event: TypeAlias = dict[str, Any]
"""An event as `recordEvents` takes it."""

BEGINNING: Final = datetime(2025, 1, 1, 5, tzinfo=UTC)
"""Where every history begins: midnight in New York, in winter."""

YEARLY_VISITS: Final = 63.12
"""A member's, on average; over members they are spread log-normally, with this sigma."""
_VISITS_SIGMA: Final = 1.129
# The logarithm of an amount: its mean, its spread among members, and its spread within one.
_AMOUNT_MU, _AMOUNT_BETWEEN, _AMOUNT_WITHIN = 2.749, 0.629, 0.997
_NOTHING_SHARE: Final = 0.00307
# The part of a day's visits in each hour of the shops' clock, from midnight on.
_HOURS: Final = (
    *(0.0073, 0.0036, 0.0045, 0.0017, 0.0013, 0.0023, 0.0069, 0.0142, 0.0211, 0.0299, 0.0445, 0.0596),
    *(0.0674, 0.0682, 0.0710, 0.0770, 0.0897, 0.0999, 0.0936, 0.0794, 0.0645, 0.0482, 0.0296, 0.0146),
)
_DEPARTMENT_COUNTS: Final = (0.001, 0.3633, 0.2445, 0.1555, 0.1068, 0.0685, 0.0378, 0.0156, 0.0052, 0.0014, 0.0003)
# The share of baskets in which each is found.
_DEPARTMENTS: Final = dict(
    zip(
        (
            *("GROCERY", "DRUG GM", "PRODUCE", "MEAT-PCKGD", "MEAT", "DELI", "PASTRY", "FUEL", "NUTRITION"),
            *("SEAFOOD-PCKGD", "SALAD BAR", "MISCELLANEOUS", "COSMETICS", "FLORAL", "SEAFOOD", "SPIRITS"),
            *("CHEF SHOPPE", "TRAVEL & LEISURE", "COUPON", "GARDEN CENTER"),
        ),
        (
            *(0.777, 0.427, 0.326, 0.211, 0.193, 0.128, 0.110, 0.083, 0.063),
            *(0.033, 0.031, 0.031, 0.019, 0.014, 0.013, 0.007),
            *(0.004, 0.003, 0.003, 0.002),
        ),
        strict=True,
    )
)
_STRETCH: Final = 1_000
_BASKETS: Final = 4_096


class Shoppers:
    """So many members of a grocer, and the one history that they have under a seed."""

    def __init__(self, members: int, seed: int = 1) -> None:
        self.members = members
        self._seed = seed
        chance = random.Random(f"shoppers {seed}")  # noqa: S311 — made up, and the same each time.
        self._visits = list(itertools.accumulate(chance.lognormvariate(0.0, _VISITS_SIGMA) for _ in range(members)))
        self._habit = [chance.gauss(_AMOUNT_MU, _AMOUNT_BETWEEN) for _ in range(min(members, _BASKETS))]
        self._baskets = [_departments(chance) for _ in range(_BASKETS)]
        self._daily = members * YEARLY_VISITS / 365
        self._opening = [0.0, *itertools.accumulate(_HOURS)]

    def events(self, start: int, count: int) -> Iterator[Event]:
        """The events with the numbers `start` to `start + count - 1`, oldest first; a number is an event for good."""
        for stretch in range(start // _STRETCH, (start + count - 1) // _STRETCH + 1):
            first = stretch * _STRETCH
            for number, event in enumerate(self._stretch(stretch), first):
                if start <= number < start + count:
                    yield event

    @staticmethod
    def name(member: int) -> str:
        """The app's own id of the member with a number from 0."""
        return f"H{member:07d}"

    def at(self, number: float) -> datetime:
        """When the event with a number happens. The events of a day keep the shops' hours."""
        day, fraction = divmod(number / self._daily, 1.0)
        reached = fraction * self._opening[-1]
        hour = bisect.bisect_right(self._opening, reached) - 1
        into = (reached - self._opening[hour]) / _HOURS[hour]
        return BEGINNING + timedelta(days=day, hours=hour + into)

    def _stretch(self, stretch: int) -> Iterator[Event]:
        chance = random.Random(f"stretch {self._seed} {self.members} {stretch}")  # noqa: S311 — see above.
        comers = chance.choices(range(self.members), cum_weights=self._visits, k=_STRETCH)
        for number, member in enumerate(comers, stretch * _STRETCH):
            log_amount = chance.gauss(self._habit[member % len(self._habit)], _AMOUNT_WITHIN)
            cents = 0 if chance.random() < _NOTHING_SHARE else max(1, round(100 * math.exp(log_amount)))
            yield {
                "id": f"p-{number}",
                "member": self.name(member),
                "type": "purchase",
                "occurredAt": self.at(number).isoformat(timespec="milliseconds"),
                "properties": {
                    "amount": f"{cents // 100}.{cents % 100:02d}",
                    "departments": self._baskets[chance.randrange(_BASKETS)],
                },
            }


def _departments(chance: random.Random) -> list[str]:
    """Departments of one basket, each at most once."""
    (wanted,) = chance.choices(range(len(_DEPARTMENT_COUNTS)), _DEPARTMENT_COUNTS)
    found: set[str] = set()
    while len(found) < wanted:
        found.update(chance.choices(list(_DEPARTMENTS), list(_DEPARTMENTS.values()), k=wanted - len(found)))
    return sorted(found)
