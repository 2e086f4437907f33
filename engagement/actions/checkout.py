"""Where rewards are redeemed: those who come to a program at the same time share a transaction, and each has her own answer.

A key stands for one redemption, whatever comes of the others: an answer is kept under it in the transaction of its effect, and a
refusal leaves it free.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from engagement.actions import redeeming
from engagement.actions.approaching import RedeemReward
from engagement.actions.gathering import Gathering, Left, Limits
from engagement.actions.programs import Programs
from engagement.actions.redeeming import Redeemed
from engagement.actions.telling import check_member
from engagement.errors import IdempotencyKeyReused, Refusal
from engagement.records import answers
from engagement.records.answers import Kept, Name
from engagement.records.keys import check_key, check_same, digest_of
from engagement.records.unit import Database, Unit

TOGETHER_MAX: Final = 64
WAITING_MAX: Final = 10_000
"""Of one program, in one process: beyond it a request is told to come back later."""

Told: TypeAlias = Redeemed | Refusal | Left

_decode = msgspec.json.Decoder(Redeemed).decode


class Asked(NamedTuple):
    """A redemption that is asked for, and the key that stands for it."""

    command: RedeemReward
    name: Name
    digest: bytes


class Checkout:
    """One queue for each program, and one transaction of it at a time beside those of who is left. One for each process."""

    def __init__(self, database: Database, programs: Programs) -> None:
        self._database = database
        self._programs = programs
        limits = Limits(TOGETHER_MAX, WAITING_MAX)
        self.gathering: Gathering[Asked, Redeemed] = Gathering(self._answer, limits)

    async def redeem(self, program_id: int, command: RedeemReward, *, principal: str, key: str) -> Redeemed:
        """Let a member redeem a reward at the program's present, for the price of her tier; once for each key.

        One of whom nothing was heard yet is made known by it. Raises `NotFound` where there is no such reward or session, `RewardRefused`
        where something but the points stands in the way, `NotEnoughPoints`, `InvalidInput` for what is no member's id or key and where a
        session has to be named; `IdempotencyKeyReused`, and what `Database.run` raises.
        """
        check_member(command.member)
        check_key(key)
        digest = digest_of(msgspec.json.encode(command))
        return await self.gathering.ask(program_id, Asked(command, Name(principal, "redeemReward", key), digest))

    async def _answer(self, program_id: int, asked: Sequence[Asked]) -> list[Told]:
        async def work(unit: Unit) -> list[Told]:
            told = await self._take(unit, asked)
            if len(told) == 1 and isinstance(told[0], Refusal):
                # Nothing of it may be kept, not even that somebody new came.
                raise told[0]
            return told

        return await self._database.run(work, program_id)

    async def _take(self, unit: Unit, asked: Sequence[Asked]) -> list[Told]:
        told: dict[int, Told] = {**await _before(unit, dict(enumerate(asked)))}
        first = {each.name: place for place, each in reversed([*enumerate(asked)])}
        told |= {place: Left(place) for place, each in enumerate(asked) if first[each.name] != place}
        fresh = [place for place in range(len(asked)) if place not in told]
        commands = [asked[place].command for place in fresh]
        done = await redeeming.redeem(unit, self._programs, commands, alone=len(asked) == 1) if fresh else []
        told |= zip(fresh, done, strict=True)
        refused = {place: asked[place] for place in fresh if isinstance(told[place], Refusal)}
        if refused:
            # What stands in the way may be what another process has just done under the same key.
            told |= await _before(unit, refused)
        kept = [(asked[place], each) for place, each in zip(fresh, done, strict=True) if isinstance(each, Redeemed)]
        await answers.keep(
            unit, [(each.name, Kept(each.digest, msgspec.json.encode(made).decode())) for each, made in kept]
        )
        return [told[place] for place in range(len(asked))]


async def _before(unit: Unit, asked: Mapping[int, Asked]) -> dict[int, Redeemed | Refusal]:
    """What those were told whose keys were used before."""
    known = await answers.find(unit, [each.name for each in asked.values()])
    return {place: _again(each, known[each.name]) for place, each in asked.items() if each.name in known}


def _again(asked: Asked, kept: Kept) -> Redeemed | Refusal:
    try:
        check_same(kept.digest, asked.digest)
    except IdempotencyKeyReused as refusal:
        return refusal
    return msgspec.structs.replace(_decode(kept.result), replayed=True)
