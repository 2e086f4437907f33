"""Issuing what members have of the shop: vouchers with their codes, entitlements, and entries in draws.

Whoever issues holds the member's lock. A code is generated, of at least 128 random bits, or taken out of a pool; either way it has
a row of its own by its hash, so that none is handed out twice.
"""

import math
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from achievements.benefits import Voucher
from achievements.redeeming import BenefitChanged
from achievements.rewards import Usable
from achievements.rulebook import Rules
from engagement.actions import shelf
from engagement.records import benefits, codes
from engagement.records.benefits import Benefit
from engagement.records.unit import Unit

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Five bits a character; none of them looks like another."""
_BITS = 5


class Wanted(msgspec.Struct, frozen=True):
    """What is to be issued: so many of something, usable from and until, and by what: a redemption, or the outcome that gave it."""

    sort: str
    key: str
    count: int
    source: str
    usable: Usable
    redemption: UUID | None = None
    reward: str | None = None


class Issued(NamedTuple):
    """What was issued, and what is told of it."""

    benefits: list[Benefit]
    effects: list[BenefitChanged]


def new_code(voucher: Voucher) -> str:
    """A code that nobody had before, of the voucher's prefix and so many random bits."""
    drawn = secrets.randbits(voucher.bits)
    digits = range(math.ceil(voucher.bits / _BITS))
    return voucher.prefix + "".join(_ALPHABET[drawn >> _BITS * each & 2**_BITS - 1] for each in digits)


async def issue(
    unit: Unit,
    rules: Rules,
    member_id: UUID,
    wanted: Sequence[Wanted],
    at: datetime,
    aside: Iterable[tuple[str, str]] = (),
) -> Issued:
    """Issue all of it to a member whose lock is held; `aside` are codes (voucher, code) that are hers already.

    A voucher for which its pool has no code is owed one.
    """
    ready: dict[str, list[str]] = {}
    for voucher, kept in aside:
        ready.setdefault(voucher, []).append(kept)
    made: list[tuple[Benefit, bytes | None]] = []
    for each in wanted:
        code = await _code(unit, rules, each.key, ready, at) if each.sort == "voucher" else None
        state = benefits.OWED if each.sort == "voucher" and code is None else benefits.ISSUED
        until = _until(rules, each)
        new = Benefit(
            *(uuid7(), member_id, each.sort, each.key, each.count, code, each.source),
            *(each.redemption, each.reward, state, each.usable.since, until, at),
        )
        made.append((new, None if code is None else codes.hash_of(code)))
    benefits.add(unit, made)
    return Issued([each for each, _ in made], [told(each, at) for each, _ in made])


def told(benefit: Benefit, at: datetime, state: str | None = None) -> BenefitChanged:
    """What is told of a benefit that is in a state (its own, where none is named) from an instant on."""
    return BenefitChanged(
        *(str(benefit.id), benefit.sort, benefit.key, benefit.count, benefit.source),
        *(state or benefit.state, benefit.until, at),
    )


async def _code(unit: Unit, rules: Rules, key: str, ready: dict[str, list[str]], at: datetime) -> str | None:
    voucher = shelf.voucher_of(rules, key)
    if ready.get(key):
        return ready[key].pop()
    if voucher.codes == "pool":
        return next(iter(await codes.take(unit, key, 1)), None)
    code = new_code(voucher)
    codes.add(unit, key, [code], at)
    return code


def _until(rules: Rules, wanted: Wanted) -> datetime | None:
    """When it ends: as whoever gives it says, or for so many days as the entitlement says of itself."""
    if wanted.usable.until is not None or wanted.sort != "entitlement":
        return wanted.usable.until
    days = shelf.entitlement_of(rules, wanted.key).days
    return None if days is None else rules.end_of_day_after(wanted.usable.since, days)
