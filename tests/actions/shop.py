"""A program with a shop, and what is done in it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from engagement.actions import benefits, refunding, reserving
from engagement.actions.approaching import RedeemReward
from engagement.actions.benefits import BenefitUsed, CodesImported, ImportCodes, UseCode, UseEntitlement
from engagement.actions.programs import Sandbox
from engagement.actions.redeeming import Redeemed
from engagement.actions.refunding import RefundRedemption
from engagement.actions.reserving import CaptureRedemption, ReserveReward, VoidRedemption
from engagement.errors import Refusal
from engagement.records.unit import Database
from tests.achievements.programs import BEGIN, document
from tests.actions.books import books_balance
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies

T = TypeVar("T")

CLUB = {
    "key": "club",
    "measure": {"points": "points"},
    "tiers": [{"key": "low"}, {"key": "silver", "from": 500}, {"key": "gold", "from": 1000}],
}
SESSIONS = [
    {"key": "may", "starts": "2017-05-01T18:00:00Z", "ends": "2017-05-01T20:00:00Z", "capacity": 1},
    {"key": "june", "starts": "2017-06-01T18:00:00Z", "ends": "2017-06-01T20:00:00Z", "capacity": 2},
]
SHELF: dict[str, list[dict[str, Any]]] = {
    "currencies": [{"key": "points", "expires": {"after_days": 180}}],
    "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
    "tier_ladders": [CLUB],
    "vouchers": [{"key": "ten", "prefix": "TEN-"}, {"key": "cinema", "codes": "pool"}],
    "entitlements": [{"key": "lounge", "days": 3}],
    "draws": [{"key": "bike"}],
    "rewards": [
        {
            "key": "mug",
            "kind": "product",
            "price": {"points": 100},
            "tier_prices": {"club/silver": 80, "club/gold": 60},
            "cost": {"amount": "3.20", "currency": "EUR"},
            "stock": 2,
            "limit": {"at_most": 2, "per": "month"},
        },
        {"key": "off", "kind": "discount", "price": {"points": 10}, "gives": [{"voucher": "ten"}], "validity": 30},
        {"key": "film", "kind": "voucher", "price": {"points": 10}, "gives": [{"voucher": "cinema"}]},
        {"key": "class", "kind": "experience", "price": {"points": 10}, "sessions": SESSIONS},
        {"key": "gift", "kind": "product", "gives": [{"entitlement": "lounge"}, {"draw": "bike", "entries": 3}]},
        {"key": "rare", "kind": "product", "price": {"points": 10}, "audience": "member.tiers['club'] == 'gold'"},
        {"key": "soon", "kind": "donation", "price": {"points": 10}, "starts": "2017-04-01T00:00:00Z"},
        {"key": "past", "kind": "donation", "price": {"points": 10}, "ends": "2017-02-01T00:00:00Z"},
        {"key": "later", "kind": "donation", "price": {"points": 10}, "status": "paused"},
        {"key": "idea", "kind": "donation", "price": {"points": 10}, "status": "draft"},
    ],
}


async def open_shop(
    database: Database, members: Sequence[str] = ("ann",), amount: str = "300", **changes: Any
) -> House:
    """A sandbox at the 10th of March 2017 with a shop, whose members have so many points."""
    house = House(database)
    await house.apply(document("UTC", **{**SHELF, **changes}), Sandbox(BEGIN))
    sent = [purchase(f"p-{each}", each, "2017-03-01T10:00:00Z", amount) for each in members]
    await house.send(*sent)
    await house.advance("2017-03-10T12:00:00Z")
    return house


async def redeem(house: House, reward: str, member: str = "ann", session: str | None = None, key: str = "") -> Redeemed:
    """Redeem a reward as a server."""
    return await house.checkout.redeem(house.program, RedeemReward(member, reward, session), **asked(key))


def asked(key: str = "") -> dict[str, str]:
    """Who asks, and under which key; one of its own, where none is named."""
    return {"principal": "key", "key": key or str(uuid4())}


async def reserve(house: House, reward: str, member: str = "ann", seconds: int = 600, **more: Any) -> Redeemed:
    """Reserve a reward."""
    command = ReserveReward(member, reward, seconds=seconds, **more)
    return await reserving.reserve_reward(house.database, house.cache, house.program, command, **asked())


async def capture(house: House, held: Redeemed, points: int | None = None) -> Redeemed:
    """Capture what was reserved."""
    command = CaptureRedemption(str(held.redemption.id), points)
    return await reserving.capture_redemption(house.database, house.cache, house.program, command, **asked())


async def void(house: House, held: Redeemed) -> Redeemed:
    """Give up what was reserved."""
    command = VoidRedemption(str(held.redemption.id))
    return await reserving.void_redemption(house.database, house.cache, house.program, command, **asked())


async def refund(house: House, done: Redeemed, *, forced: bool = False) -> Redeemed:
    """Take a redemption back."""
    command = RefundRedemption(str(done.redemption.id), forced)
    return await refunding.refund_redemption(house.database, house.cache, house.program, command, **asked())


async def bring(house: House, *codes: str, voucher: str = "cinema") -> CodesImported:
    """Bring codes into a pool."""
    command = ImportCodes(voucher, codes)
    return await benefits.import_codes(house.database, house.cache, house.program, command, **asked())


async def use(house: House, code: str | None, key: str = "") -> BenefitUsed:
    """Burn a code."""
    command = UseCode(str(code))
    return await benefits.use_code(house.database, house.cache, house.program, command, **asked(key))


async def use_up(house: House, entitlement: str, member: str = "ann") -> BenefitUsed:
    """Use an entitlement up."""
    command = UseEntitlement(member, entitlement)
    return await benefits.use_entitlement(house.database, house.cache, house.program, command, **asked())


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again for as long as a caller is told to: on a busy machine a lock may not be granted in time."""
    while True:
        try:
            return await ask()
        except Refusal as refusal:
            if not refusal.retryable:
                raise


async def balance(house: House, member: str = "ann") -> int:
    """The points that a member can spend."""
    ((points,),) = await house.rows(
        "SELECT balance - held FROM wallet JOIN member ON member.program_id = $1 AND member.id = member_id"
        " WHERE wallet.program_id = $1 AND external_id = $2",
        member,
    )
    return int(points)


def names(done: Sequence[object]) -> Counter[str]:
    """How often each kind of answer came."""
    return Counter(type(each).__name__ for each in done)


async def all_is_well(house: House) -> None:
    """Nothing that is stored is otherwise than it follows, and the books balance."""
    assert await discrepancies(house) == []
    await books_balance(house)
