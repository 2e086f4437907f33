"""Refunding: a redemption taken back, its points in the lots that they came from, and what she has by it void."""

import functools

import msgspec

from achievements.outcomes import Effect
from engagement.actions import approaching, issuing, redeeming, reserving
from engagement.actions.holds import Asked
from engagement.actions.programs import Programs
from engagement.actions.redeeming import Redeemed
from engagement.errors import RedemptionRefused
from engagement.records import benefits, redemptions
from engagement.records.unit import Database, Unit

REFUNDED = "refunded"
"""The fact that a redemption was taken back. No rule hears it."""


class RefundRedemption(msgspec.Struct, frozen=True):
    """Which redemption; `forced` also where something that came of it was used."""

    redemption: str
    forced: bool = False


async def refund_redemption(
    database: Database,
    programs: Programs,
    program_id: int,
    command: RefundRedemption,
    *,
    principal: str,
    key: str | None,
) -> Redeemed:
    """Take a redemption back at the program's present: what was paid goes back to its lots, and what she has by it is void.

    What was used stands, and refuses the refund unless it is forced; then the stock stays as it is. Raises `NotFound` where there is no
    such redemption, `RedemptionRefused` where it is not fulfilled, or something of it was used; and what `Database.perform` raises.
    """
    work = functools.partial(_refund, programs=programs, command=command)
    return await redeeming.perform(database, program_id, "refundRedemption", command, work, Asked(principal, key))


async def _refund(unit: Unit, programs: Programs, command: RefundRedemption) -> Redeemed:
    listener, found = await reserving.approach(unit, programs, command.redemption, redemptions.FULFILLED)
    held = await benefits.of_redemption(unit, found.id)
    used = [each for each in held if each.state == benefits.USED]
    if used and not command.forced:
        said = f"{len(used)} of what she has by it was used already; refund it by force, or not at all."
        raise RedemptionRefused(found.state, said, "redemption", used=True)
    unused = [each for each in held if each.state == benefits.ISSUED]
    await benefits.end(unit, [each.id for each in unused], benefits.VOIDED, listener.at)
    if found.counted and not used:
        approaching.give_back(unit, [(found.reward, found.session)])
    said_of = redeeming.said_of(found)
    effects: tuple[Effect, ...]
    if found.paid:
        effects = await listener.refund(str(found.fact), REFUNDED, said_of)
    else:
        effects = await listener.tell(REFUNDED, said_of)
    made = msgspec.structs.replace(found, state=redemptions.REFUNDED, paid=0, ended_at=listener.at)
    await redemptions.change(unit, made)
    void = [issuing.told(each, listener.at, benefits.VOIDED) for each in unused]
    effects = (*effects, *reserving.say(listener, made, void))
    await listener.save()
    standing = tuple(await benefits.of_redemption(unit, found.id))
    return Redeemed(await reserving.name_of(unit, listener.id), made, standing, effects)
