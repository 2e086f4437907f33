"""Draws: members have entries in one, and when it is over some of them win, in a way that anybody can check.

Each draw has a seed of random bytes. Its SHA-256, the commitment, is known before, the seed itself once the winners are drawn. Every entry has a
ticket, HMAC-SHA-256 of the seed over the entry, and the lowest tickets win, of each member the lowest alone. So who wins follows
from the seed and the entries, in whichever order they are taken; what an entry draws rests on no other entry; and a member's chance at
each place goes with how many of the entries that are left are hers.
"""

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Annotated, NamedTuple

import msgspec

from achievements.building import Building
from achievements.moment import Moment, Rule, Stage
from achievements.parts import Living, Misfit, Rewards, Shape
from achievements.prizes import CLOSE_AFTER_HOURS, CLOSE_AFTER_HOURS_MAX, PRIZES_MAX
from achievements.values import Fact

WINNERS_MAX = 1_000
"""Of one draw."""
SEED_BYTES = 32
DRAW_WON = "draw_won"
"""The fact that a member has won in a draw."""


class Entry(msgspec.Struct, frozen=True):
    """Entries that a member got at once, numbered from 1 to `count`; `entrant` stands for her."""

    id: str
    entrant: str
    count: int


class Ticket(NamedTuple):
    """What an entry draws: by its `value` tickets are in order."""

    value: bytes
    entry: str
    number: int
    entrant: str


def commitment(seed: bytes) -> str:
    """What is known of a seed before: its SHA-256, in hexadecimal digits."""
    return sha256(seed).hexdigest()


def value_of(seed: bytes, entry: str, number: int) -> bytes:
    """What one entry draws: HMAC-SHA-256 (RFC 2104) with the seed as its key, over the text `ID/NUMBER`."""
    return hmac.digest(seed, f"{entry}/{number}".encode(), "sha256")


def ticket(seed: bytes, entry: Entry) -> Ticket:
    """The lowest ticket of entries that were got at once."""
    value, number = min((value_of(seed, entry.id, number), number) for number in range(1, entry.count + 1))
    return Ticket(value, entry.id, number, entry.entrant)


def listed(entry: Entry) -> bytes:
    """A line of the list of entries, of which the SHA-256 is kept: `ID COUNT` and a line feed, in order of their ids."""
    return f"{entry.id} {entry.count}\n".encode()


def entrant_of(seed: bytes, member: str) -> str:
    """What stands for a member, by her random id, in the list of a draw and in no other: so that it can be read by everybody."""
    return hmac.digest(seed, f"entrant {member}".encode(), "sha256").hex()[:32]


def lowest(seed: bytes, entries: Iterable[Entry], at_most: int, before: Sequence[Ticket] = ()) -> list[Ticket]:
    """The lowest tickets, one of each entrant, of some entries and of those whose lowest tickets came `before`."""
    best = {each.entrant: each for each in before}
    for entry in entries:
        drawn = ticket(seed, entry)
        if entry.entrant not in best or drawn < best[entry.entrant]:
            best[entry.entrant] = drawn
    return sorted(best.values())[:at_most]


class DrawPrize(Shape, frozen=True, kw_only=True):
    """What so many winners are given each."""

    winners: Annotated[int, msgspec.Meta(ge=1, le=WINNERS_MAX)] = 1
    rewards: Rewards

    def __post_init__(self) -> None:
        if not self.rewards:
            raise Misfit("rewards", "say what is given: `rewards: [{points: 100}]`")


class Draw(Living, frozen=True, kw_only=True):
    """A draw in which members have entries. Those that were given before it `ends` take part, and so many hours later the winners are drawn.

    The first place is for the first of the `prizes`, and so on. A draw without prizes is never drawn.
    """

    kind = "draw"

    prizes: Annotated[tuple[DrawPrize, ...], msgspec.Meta(max_length=PRIZES_MAX)] = ()
    close_after_hours: Annotated[int, msgspec.Meta(ge=0, le=CLOSE_AFTER_HOURS_MAX)] = CLOSE_AFTER_HOURS

    def __post_init__(self) -> None:
        if self.prizes and self.ends is None:
            raise Misfit("ends", "winners are drawn when a draw is over: say when, `ends: 2027-01-01T00:00:00Z`")
        if self.winners > WINNERS_MAX:
            raise Misfit("prizes", f"a draw has at most {WINNERS_MAX:,} winners, and this one {self.winners:,}")

    @property
    def winners(self) -> int:
        """How many can win."""
        return sum(each.winners for each in self.prizes)

    def ready(self, building: Building) -> "DrawReady | None":
        """Compile it; mistakes are told to `building`. None where nobody wins anything."""
        prizes = tuple(
            msgspec.structs.replace(each, rewards=building.rewards(each.rewards, f"prizes[{position}].rewards"))
            for position, each in enumerate(self.prizes)
        )
        gives = frozenset(reward.gives for prize in prizes for reward in prize.rewards)
        return DrawReady(key=self.key, prizes=prizes, gives=gives) if prizes else None


class DrawReady(Rule, frozen=True, kw_only=True):
    """A draw as those who won hear of it. It looks at no event, and keeps no state: entries are kept by the shop."""

    section = "draws"
    stage = Stage.BOARDS
    hears = frozenset({DRAW_WON})
    outlives = hears

    prizes: tuple[DrawPrize, ...]

    @property
    def event_types(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def told(self, part: None, fact: Fact, moment: Moment) -> None:
        """Give what a member has won, by her place."""
        if fact.data["draw"] == self.key:
            place = int(fact.data["place"])
            for prize in self.prizes:
                if place <= prize.winners:
                    moment.reward(self.stage, prize.rewards, self.key, f"draw/{self.key}")
                    return
                place -= prize.winners
