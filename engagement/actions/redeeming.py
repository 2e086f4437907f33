"""Redeeming: a member takes a reward, and the points leave her purse with the fact, the stock, the codes and what she has by it, or
nothing of all that happens.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from achievements.outcomes import Effect
from achievements.parts import Price
from achievements.redeeming import RedemptionChanged
from achievements.rewards import REDEEMED
from engagement.actions import issuing
from engagement.actions.approaching import WHY, Approached, Counter, RedeemReward, approach_together, check_nobody_takes
from engagement.actions.gathering import Left
from engagement.actions.holds import Asked
from engagement.actions.issuing import Issued, Wanted
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener
from engagement.errors import NotFound, Refusal, RewardRefused, Unredeemable
from engagement.records import codes, redemptions
from engagement.records.benefits import Benefit
from engagement.records.redemptions import Redemption
from engagement.records.unit import Database, Unit, Work


class Redeemed(msgspec.Struct, frozen=True):
    """A redemption of a member (the app's own id), what she has by it, and what was told of it."""

    member: str
    redemption: Redemption
    benefits: tuple[Benefit, ...]
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def perform(
    database: Database,
    program_id: int,
    operation: str,
    command: msgspec.Struct,
    work: Work[Redeemed],
    asked: Asked,
) -> Redeemed:
    """Do something to a redemption once for each key."""
    done, replayed = await database.perform(
        work,
        program_id,
        principal=asked.principal,
        operation=operation,
        key=asked.key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Redeemed).decode,
    )
    answer: Redeemed = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def redeem(
    unit: Unit, programs: Programs, commands: Sequence[RedeemReward], *, alone: bool
) -> list[Redeemed | Refusal | Left]:
    """Let members redeem rewards at the program's present, each for the price of her tier; the answers in their order.

    Nothing is done to whoever is refused or left. Who comes `alone` is never left, but waits for whatever is locked, and is made known
    where nothing was heard of her yet; nothing of that may be kept where she is refused.
    """
    answers: list[Redeemed | Refusal | Left] = []
    there: list[Listener] = []
    made: list[Redemption] = []
    for command, answer in zip(commands, await approach_together(unit, programs, commands, alone=alone), strict=True):
        if not isinstance(answer, Approached):
            answers.append(answer)
            continue
        done = await _redeem(unit, command.member, answer)
        answers.append(done)
        made.append(done.redemption)
        there.append(answer.listener)
    redemptions.add(unit, made)
    if there:
        await there[0].save()
    return answers


async def _redeem(unit: Unit, member: str, approached: Approached) -> Redeemed:
    counter, listener, price, drawn = approached
    made = new_redemption(counter, listener, price, redemptions.FULFILLED)
    issued = await hand_out(unit, counter, listener, made, drawn)
    effects = await tell(listener, made, price, issued)
    made = msgspec.structs.replace(made, fact=listener.fact_id(REDEEMED), paid=made.points)
    return Redeemed(member, made, tuple(issued.benefits), effects)


def new_redemption(counter: Counter, listener: Listener, price: Price | None, state: str) -> Redemption:
    """A redemption at the member's present, of which nothing is paid yet."""
    definition, session = counter.ready.definition, counter.session
    usable, cost = counter.ready.usable(listener.at, session), definition.cost
    return Redemption(
        id=uuid7(),
        member_id=listener.id,
        reward=counter.ready.key,
        session="" if session is None else session.key,
        state=state,
        currency=None if price is None else str(price.currency),
        points=0 if price is None else price.points,
        paid=0,
        counted=counter.counted,
        hold=None,
        fact=None,
        cost=None if cost is None else cost.amount,
        money=None if cost is None else cost.currency,
        at=listener.at,
        until=None,
        usable_from=usable.since,
        usable_until=usable.until,
    )


async def hand_out(
    unit: Unit, counter: Counter, listener: Listener, made: Redemption, aside: Iterable[tuple[str, str]] = ()
) -> Issued:
    """Issue what a reward gives; `aside` are the codes that were set aside for it. Raises `RewardRefused` where a pool has none left."""
    usable = counter.ready.usable(listener.at, counter.session)
    wanted = [
        Wanted(each.sort, each.given, each.entries or 1, counter.ready.key, usable, redemption=made.id)
        for each in counter.ready.definition.gives
    ]
    issued = await issuing.issue(unit, counter.rules, listener.id, wanted, listener.at, aside)
    for each in issued.benefits:
        if each.sort == "voucher" and each.code is None:
            await no_code(unit, each.key)
    return issued


async def no_code(unit: Unit, voucher: str) -> None:
    """Refuse for want of a code."""
    check_nobody_takes((await codes.free(unit, [voucher], 1)).get(voucher, 0))
    raise RewardRefused(Unredeemable.OUT_OF_STOCK, WHY[Unredeemable.OUT_OF_STOCK], "reward")


async def tell(listener: Listener, made: Redemption, price: Price | None, issued: Issued) -> tuple[Effect, ...]:
    """Let the member hear of a redemption that is fulfilled, and pay its price."""
    changed = RedemptionChanged(str(made.id), made.reward, made.state, listener.at)
    beside: tuple[Effect, ...] = (changed, *issued.effects)
    return await listener.tell(REDEEMED, said_of(made), price=price, source=made.reward, beside=beside)


def said_of(made: Redemption) -> dict[str, object]:
    """What the fact of a redemption says."""
    return {"redemption": str(made.id), "reward": made.reward, "session": made.session}


def identity_of(text: str, what: str, field: str) -> UUID:
    """The id that a text names; `NotFound` where it is none."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(f"No {what} of that id.", field) from error
