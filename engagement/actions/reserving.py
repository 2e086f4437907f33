"""Rewards in two steps: reserved for a member for a while, with her points, the stock and the codes set aside, and then captured, or
voided, or over by itself: exactly one of these.

Servers do all of this. A member's own token reserves, and gives up, what the program lets members reserve: a few at a time and for a
short while, since nobody else can have meanwhile what is set aside for her. Capturing is a server's, who knows what it waits for.

Locks are taken as in `redeeming`: the stock, the member, and then what is hers.
"""

import functools
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from achievements.outcomes import Effect
from achievements.redeeming import BenefitChanged, RedemptionChanged
from achievements.rewards import REDEEMED, RewardReady
from engagement.actions import approaching, holds, redeeming, shelf
from engagement.actions.approaching import Counter, RedeemReward
from engagement.actions.holds import HOLD_SECONDS, HOLD_SECONDS_MAX, OPEN_HOLDS_MAX, Asked
from engagement.actions.programs import Programs
from engagement.actions.redeeming import Redeemed
from engagement.actions.telling import Listener, check_member, listen_to
from engagement.errors import (
    Again,
    Forbidden,
    HoldNotOpen,
    InvalidInput,
    NotFound,
    RedemptionRefused,
    RewardRefused,
    Unredeemable,
)
from engagement.records import codes, members, redemptions, stock
from engagement.records.holds import Hold
from engagement.records.redemptions import Redemption
from engagement.records.unit import Database, Unit

OWN_RESERVATIONS_MAX = 3
"""How many rewards can be reserved for a member at the same time, where she reserves another one by herself."""
OWN_SECONDS_MAX = 900
"""For how long she can."""


class ReserveReward(RedeemReward, frozen=True, kw_only=True):
    """The same, kept for her for so many seconds."""

    seconds: int = HOLD_SECONDS


class CaptureRedemption(msgspec.Struct, frozen=True):
    """Which redemption, and how many of its points are paid; None: all of them."""

    redemption: str
    points: int | None = None


class VoidRedemption(msgspec.Struct, frozen=True):
    """Which redemption."""

    redemption: str


async def reserve_reward(
    database: Database,
    programs: Programs,
    program_id: int,
    command: ReserveReward,
    *,
    principal: str,
    key: str | None,
    own: str | None = None,
) -> Redeemed:
    """Set a reward aside for a member, and her points for it, from the program's present on.

    Where she does so herself, `own` is the app's id of her. Raises what `Checkout.redeem` does, and `Forbidden` where it is not for members to reserve.
    """
    check_member(command.member)
    longest = HOLD_SECONDS_MAX if own is None else OWN_SECONDS_MAX
    if not 1 <= command.seconds <= longest:
        raise InvalidInput(f"A reward is reserved for 1 to {longest:,} seconds.", "seconds")
    work = functools.partial(_reserve, programs=programs, command=command, own=own)
    return await redeeming.perform(database, program_id, "reserveReward", command, work, Asked(principal, key))


async def capture_redemption(
    database: Database,
    programs: Programs,
    program_id: int,
    command: CaptureRedemption,
    *,
    principal: str,
    key: str | None,
) -> Redeemed:
    """Let a reserved reward be the member's: points that were set aside are paid, the rest comes free.

    Raises `NotFound` where there is no such redemption, `RedemptionRefused` where it is not reserved any more, `InvalidInput` for
    another number of points than it set aside; and what `Database.perform` raises.
    """
    work = functools.partial(_capture, programs=programs, command=command)
    return await redeeming.perform(database, program_id, "captureRedemption", command, work, Asked(principal, key))


async def void_redemption(
    database: Database,
    programs: Programs,
    program_id: int,
    command: VoidRedemption,
    *,
    principal: str,
    key: str | None,
    own: str | None = None,
) -> Redeemed:
    """Give a reserved reward up: her points, the stock and the codes are free again.

    Where a member does so herself, `own` is the app's id of her: then it has to be hers. Raises as `capture_redemption` does, and `Forbidden`
    where it was not for members to reserve.
    """
    work = functools.partial(_void, programs=programs, command=command, own=own)
    return await redeeming.perform(database, program_id, "voidRedemption", command, work, Asked(principal, key))


async def settle(database: Database, cache: Programs, program_id: int) -> int:
    """Give back what was reserved and is over; how many there were."""

    async def look(unit: Unit) -> list[str]:
        return await redemptions.over(unit, (await cache.load(unit)).now)

    async def give_back(unit: Unit, reward: str) -> int:
        loaded = await cache.load(unit, for_writing=True)
        await stock.lock(unit, [(reward, "")])
        return await approaching.give_back_over(unit, [reward], loaded.now)

    return sum(
        [
            await database.run(functools.partial(give_back, reward=each), program_id)
            for each in await database.run(look, program_id, read_only=True)
        ]
    )


async def _reserve(unit: Unit, programs: Programs, command: ReserveReward, *, own: str | None) -> Redeemed:
    counter, listener, price, _ = await approaching.approach(unit, programs, command)
    if own is not None:
        _check_reservable(counter.ready)
        if await redemptions.reserved(unit, listener.id, listener.at) >= OWN_RESERVATIONS_MAX:
            said = f"{OWN_RESERVATIONS_MAX} rewards are reserved for her: they have to be captured or given up first."
            raise InvalidInput(said, "member")
    if len(listener.purse.open_holds) >= OPEN_HOLDS_MAX:
        raise InvalidInput(f"She has {OPEN_HOLDS_MAX} holds already: capture or void some of them first.", "member")
    lasting = timedelta(seconds=command.seconds)
    made = redeeming.new_redemption(counter, listener, price, redemptions.RESERVED)
    made = msgspec.structs.replace(made, until=listener.at + lasting)
    effects: tuple[Effect, ...] = ()
    if price is not None:
        held, effects = holds.hold(listener, str(price.currency), price.points, made.reward, lasting)
        made = msgspec.structs.replace(made, hold=held.id)
    for pool, count in shelf.pools_of(counter.rules, counter.ready).items():
        if len(await codes.set_aside(unit, pool, count, made.id)) < count:
            await redeeming.no_code(unit, pool)
    redemptions.add(unit, [made])
    effects = (*effects, *say(listener, made))
    await listener.save()
    return Redeemed(command.member, made, (), effects)


async def _capture(unit: Unit, programs: Programs, command: CaptureRedemption) -> Redeemed:
    listener, found = await approach(unit, programs, command.redemption, redemptions.RESERVED)
    held = None if found.hold is None else await _open(listener, found.hold)
    points = found.points if command.points is None else command.points
    if not min(1, found.points) <= points <= found.points:
        raise InvalidInput(f"It has set {found.points:,} points aside.", "points")
    rules = listener.loaded.rulebook.at(found.at) or listener.loaded.rulebook.latest
    ready = approaching.reward_of(rules, found.reward)
    _check_draws(listener, ready)
    session = ready.session(found.session)
    usable = ready.usable(listener.at, session)
    counter = Counter(rules, ready, session, found.counted)
    issued = await redeeming.hand_out(unit, counter, listener, found, await codes.issue(unit, found.id))
    made = msgspec.structs.replace(
        found,
        state=redemptions.FULFILLED,
        paid=points,
        fact=listener.fact_id(REDEEMED),
        usable_from=usable.since,
        usable_until=usable.until,
    )
    said = redeeming.said_of(made)
    if held is not None:
        paid = await listener.capture(held, points, REDEEMED, said)
    else:
        paid = await listener.tell(REDEEMED, said)
    await redemptions.change(unit, made)
    effects = (*paid, *say(listener, made, issued.effects))
    await listener.save()
    return Redeemed(await name_of(unit, listener.id), made, tuple(issued.benefits), effects)


async def _void(unit: Unit, programs: Programs, command: VoidRedemption, *, own: str | None) -> Redeemed:
    listener, found = await approach(unit, programs, command.redemption, redemptions.RESERVED, own)
    if own is not None:
        _check_reservable(
            approaching.reward_of(
                listener.loaded.rulebook.at(found.at) or listener.loaded.rulebook.latest, found.reward
            )
        )
    freed: tuple[Effect, ...] = ()
    if found.hold is not None:
        held = await _open(listener, found.hold)
        ended = listener.purse.void(held, listener.at)
        # A fact, as of any hold: what comes free may reach an automatic reward.
        freed = await listener.tell(holds.VOIDED, {"hold": str(held.id), "source": held.source}, beside=ended)
    await codes.free_again(unit, [found.id])
    if found.counted:
        approaching.give_back(unit, [(found.reward, found.session)])
    made = msgspec.structs.replace(found, state=redemptions.VOIDED, ended_at=listener.at)
    await redemptions.change(unit, made)
    effects = (*freed, *say(listener, made))
    await listener.save()
    return Redeemed(await name_of(unit, listener.id), made, (), effects)


def _check_draws(listener: Listener, ready: RewardReady) -> None:
    """Raise `RewardRefused` where a draw is over in which she would have entries: she would pay for nothing."""
    present = listener.loaded.rulebook.at(listener.at) or listener.loaded.rulebook.latest
    if any(present.standing.get(f"draws/{each.given}") == "ended" for each in ready.definition.gives if each.draw):
        raise RewardRefused(Unredeemable.ENDED, "The draw is over: give the reward up.", "redemption")


def _check_reservable(ready: RewardReady) -> None:
    if not ready.definition.reservable:
        raise Forbidden("Members cannot reserve this reward, nor give it up; a server can.", "reward")


async def approach(
    unit: Unit, programs: Programs, redemption: str, state: str, own: str | None = None
) -> tuple[Listener, Redemption]:
    """Lock the stock that a redemption counts in, its member and itself; raises `RedemptionRefused` where it is in another state.

    Of whoever asks for her `own`, by the app's id of her, others' are not found.
    """
    identity = redeeming.identity_of(redemption, "redemption", "redemption")
    found = await redemptions.find(unit, identity)
    if found is None or (own is not None and (await members.ids_of(unit, [own])).get(own) != found.member_id):
        raise NotFound("No redemption of that id.", "redemption")
    if found.counted:
        await stock.lock(unit, [(found.reward, ""), (found.reward, found.session)])
    listener = (await listen_to(unit, programs, [found.member_id]))[found.member_id]
    await listener.arrive()
    again = await redemptions.find(unit, identity, locked=True)
    assert again is not None, "redemptions are never deleted"
    if again.member_id != listener.id:
        # Since it was looked up, a merge was undone.
        raise Again
    there = again.as_of(listener.at)
    if there.state != state:
        raise RedemptionRefused(there.state, f"The redemption is {there.state}.", "redemption")
    return listener, there


async def name_of(unit: Unit, member_id: UUID) -> str:
    """The app's own id of a member."""
    return (await members.of_ids(unit, [member_id]))[member_id].external_id


async def _open(listener: Listener, hold_id: UUID) -> Hold:
    """What sets the points aside. It may have been ended by itself, as a hold."""
    try:
        return await listener.open_hold(hold_id)
    except HoldNotOpen as error:
        said = f"Its points are set aside no more: the hold was {error.state}."
        raise RedemptionRefused(redemptions.RESERVED, said, "redemption") from error


def say(listener: Listener, made: Redemption, beside: Sequence[BenefitChanged] = ()) -> tuple[Effect, ...]:
    """Let a member hear in which state a redemption of hers is now, and what became of what she has by it."""
    changed: tuple[Effect, ...] = (RedemptionChanged(str(made.id), made.reward, made.state, listener.at), *beside)
    listener.show(changed)
    return changed
