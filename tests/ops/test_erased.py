"""A member is erased while traffic runs and a worker is killed: a backup of the servers, and what they wrote, name nobody but a random id."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from achievements.periods import rfc3339
from engagement.actions.programs import Sandbox
from engagement.embedded import Endpoints
from engagement.records.unit import Database
from tests.api.conftest import House, Service, document, following
from tests.conftest import Urls
from tests.ops.conftest import SECONDS, Running, Shop, Start, founded
from tests.ops.dumped import Dumped, postgres_dumped, redis_dumped, traces

ADA, BEFORE, BERT, CID, DAN = "Lovelace1815+\"\\'ä@x", "Byron1815 née", "bert", "cid", "dan"
ALIAS, CITY, NICK, ZONE = "Enchantress27", "Marylebone", "Bluestocking", "Antarctica/Troll"
WORDS = {
    "her id": "Lovelace1815",
    "her former id": "Byron1815",
    "her alias": ALIAS,
    "her attribute": NICK,
    "what groups her on a board": CITY,
    "ids of her events": "NoteG1843",
    "ids of events that came late": "NoteH1844",
    "what she bought": "CardsJacquard",
    "how an event really was": "CardsMended",
    "where she agreed": "LetterToBabbage",
    "what points were held for": "ThroneOfPuce",
    "what she wrote": "FondGreetings",
    "what was written to her": "FondAnswer",
    "why she was given points": "PolitenessOfStaff",
    "her idempotency keys": "KeyOfAda77",
}
"""Words in what an app sent of her, each of a kind; around those that may hold any letter, letters that are written otherwise in JSON, in SQL and in URLs."""
ORDER = 'NoteG1843/%27"\\ö-'
POINTS = {"key": "points", "expires": {"after_days": 180}, "transfers": {"at_least": 1, "at_most": 500}}
PRICE = {"points": 10, "currency": "points"}
WRITTEN: dict[str, Any] = {
    "currencies": [POINTS],
    "event_types": [
        {"key": "purchase", "properties": {"amount": "decimal", "things": "list[string]"}},
        {"key": "joined", "properties": {"code": "string"}},
    ],
    "attributes": [{"key": "nick", "type": "string"}, {"key": "city", "type": "string"}],
    "purposes": [{"key": "news"}],
    "segments": [{"key": "vip", "list": True}],
    "adjustment_reasons": [{"key": "goodwill"}],
    "earn_rules": [
        {"key": "base", "on": "purchase", "earn": {"per": "amount"}},
        {"key": "held", "on": "purchase", "earn": {"fixed": 1}, "control_group": 99},
    ],
    "challenges": [
        {"key": "together", "objectives": [{"on": "purchase", "target": 3}], "team": {"minimum": 1}},
        {"key": "joined", "objectives": [{"on": "purchase", "target": 2}], "join": "opt_in"},
        {"key": "kinds", "objectives": [{"on": "purchase", "measure": {"distinct": "things"}, "target": 99}]},
        {"key": "few", "objectives": [{"on": "purchase", "target": 2}], "limit": 5},
    ],
    "tier_ladders": [
        {"key": "club", "measure": {"points": "points"}, "tiers": [{"key": "low"}, {"key": "top", "from": 50}]}
    ],
    "leaderboards": [
        {"key": "ever", "measure": {"points": "points"}},
        {
            "key": "week",
            "measure": {"points": "points"},
            "window": {"calendar": "week"},
            "group_by": "city",
            "prizes": [{"rank": 1, "rewards": [{"points": 5}, {"voucher": "cup"}]}],
        },
    ],
    "referrals": [
        {
            "key": "friend",
            "on": "joined",
            "by": "code",
            "qualifies": {"on": "purchase", "within_days": 30},
            "rewards": {"referrer": [{"points": 50}, {"voucher": "cup"}], "referred": [{"points": 10}]},
        }
    ],
    "vouchers": [{"key": "cup"}],
    "entitlements": [{"key": "lounge", "days": 30}],
    "draws": [{"key": "bike"}],
    "rewards": [
        {"key": "off", "kind": "discount", "price": PRICE, "gives": [{"voucher": "cup"}]},
        {"key": "mug", "kind": "product", "price": PRICE, "stock": 9},
        {"key": "gift", "kind": "product", "gives": [{"entitlement": "lounge"}, {"draw": "bike", "entries": 3}]},
    ],
}
NOT_ABOUT_HER = ("advanceTestClock", "createTeam", "startBacktest")
WITHOUT_KEY = ("recordEvents", "eraseMember", "previewProgram")
DRAFT = {"challenges": [{"key": "twice", "objectives": [{"on": "purchase", "target": 2}]}]}


@pytest.fixture
async def shop(database: Urls, endpoints: Endpoints) -> Shop:
    """A sandbox in March 2017, with one of everything by which members leave traces."""
    return await founded(database, endpoints, document("shop", **WRITTEN), Sandbox(rfc3339("2017-02-01T00:00:00Z")))


async def do(house: House, field: str, told: str = "", token: str | None = None, **given: Any) -> dict[str, Any]:
    """What a command answers, that must not be refused."""
    kind = "List" if field.endswith("List") else field[0].upper() + field[1:]
    text = f"mutation($input: {kind}Input!) {{ {field}(input: $input) {{ __typename {told} ... on UserError {{ code message }} }} }}"
    if field not in WITHOUT_KEY:
        about_her = field not in NOT_ABOUT_HER and given.get("member") != BERT
        given["idempotencyKey"] = f"{'KeyOfAda77' if about_her else 'other'}-{uuid4()}"
    answer: dict[str, Any] = (await house.data(text, {"input": given}, key=token))[field]
    assert answer["__typename"].endswith("Success"), (field, given, answer)
    return answer


def purchase(identity: str, member: str, at: str, amount: str = "60.00", thing: str = "tea") -> dict[str, Any]:
    properties = {"amount": amount, "things": [thing]}
    return {"id": identity, "member": member, "type": "purchase", "occurredAt": at, "properties": properties}


def joined(identity: str, member: str, code: str) -> dict[str, Any]:
    at = "2017-03-01T09:00:00Z"
    return {"id": identity, "member": member, "type": "joined", "occurredAt": at, "properties": {"code": code}}


async def record(house: House, *events: dict[str, Any]) -> list[tuple[str, str]]:
    """Send events; whose were taken, and whose refused with which code."""
    told = "... on RecordEventsSuccess { receipts { member } refused { member: id code } }"
    answer = await do(house, "recordEvents", told, events=list(events))
    whose = {each["id"]: each["member"] for each in events}
    refused = [(whose[each["member"]], each["code"]) for each in answer["refused"]]
    return [(each["member"], "taken") for each in answer["receipts"]] + refused


async def move(house: House, to: str) -> None:
    await do(house, "advanceTestClock", to=to)


async def lived(house: House) -> None:
    """What Ada does in a month, and others with her: something of everything there is."""
    await move(house, "2017-02-02T00:00:00Z")
    me = house.token(ADA)
    await do(house, "setMemberAttributes", member=BEFORE, attributes={"nick": NICK})
    await record(house, purchase("NoteG1843-before", BEFORE, "2017-02-01T10:00:00Z", thing="CardsJacquard"))
    await do(house, "setMemberAttributes", member=ADA, attributes={"city": CITY})
    await do(house, "mergeMembers", **{"from": BEFORE, "into": ADA})
    await do(house, "setMemberAlias", token=me, alias=ALIAS)
    await do(house, "setMemberTimezone", member=ADA, timezone=ZONE)
    await do(house, "setConsent", token=me, purpose="news", given=True, source="LetterToBabbage, 3rd page")
    await do(house, "addToList", member=ADA, list="vip")
    await do(house, "createTeam", team="t")
    for who in (ADA, BERT):
        await do(house, "joinTeam", member=who, team="t")
    await do(house, "joinChallenge", token=me, challenge="joined")
    await move(house, "2017-03-09T00:00:00Z")
    await record(house, joined("NoteG1843-joined", ADA, BERT), joined("c", CID, ADA), joined("d", DAN, ADA))
    for day in range(2, 8):
        at = f"2017-03-0{day}T15:00:00Z"
        hers = purchase(f"{ORDER}{day}", ADA, at, thing="CardsJacquard")
        await record(house, hers, *(purchase(f"p{day}", who, at) for who in (BERT, CID)))
    await record(house, purchase("NoteH1844", ADA, "2017-03-03T12:00:00Z", thing="CardsJacquard"))
    really = {"amount": "50.00", "things": ["CardsMended"]}
    await do(house, "amendEvent", member=ADA, event=f"{ORDER}2", properties=really)
    await do(house, "reverseEvent", member=ADA, event=f"{ORDER}3")
    await shopped(house, me)


async def shopped(house: House, me: str) -> None:
    """What she takes, gives, gets, sets aside and hands back."""
    for ended in ("captureHold", "voidHold"):
        held = await do(
            house, "holdPoints", "... on HoldSuccess { hold { id } }", member=ADA, points=20, source="ThroneOfPuce"
        )
        await do(house, ended, hold=held["hold"]["id"])
    await do(house, "holdPoints", member=ADA, points=7, source="ThroneOfPuce")
    await do(
        house, "adjustPoints", member=ADA, change=30, reason="goodwill", currency="points", note="PolitenessOfStaff"
    )
    await do(house, "transferPoints", token=me, **{"from": ADA}, to=BERT, points=11, note="FondGreetings from Ada")
    await do(house, "transferPoints", **{"from": CID}, to=ADA, points=12, note="FondAnswer to Ada")
    taken = "... on RedemptionSuccess { redemption { id } benefits { sort code } }"
    off = await do(house, "redeemReward", taken, token=me, reward="off")
    await do(house, "useCode", code=off["benefits"][0]["code"])
    back = await do(house, "redeemReward", taken, token=me, reward="off")
    await do(house, "refundRedemption", redemption=back["redemption"]["id"])
    await do(house, "redeemReward", member=ADA, reward="gift")
    await do(house, "useEntitlement", member=ADA, entitlement="lounge")
    for ended in ("captureRedemption", "voidRedemption", ""):
        reserved = await do(house, "reserveReward", taken, member=ADA, reward="mug")
        if ended:
            await do(house, ended, redemption=reserved["redemption"]["id"])
    await do(house, "setGoal", token=me, reward="mug")
    asked = {"from": "2017-03-01T00:00:00Z", "to": "2017-03-08T00:00:00Z"}
    await do(house, "startBacktest", draft=DRAFT, **asked)
    # It lists who would lose something, and what.
    less = {"key": "base", "on": "purchase", "earn": {"per": "amount", "rate": "0.5"}, "counts_from": asked["from"]}
    badge = {"key": "one", "on": "purchase", "levels": [{"target": 99}], "counts_from": asked["from"]}
    others = WRITTEN["earn_rules"][1:]
    written = {**WRITTEN, "earn_rules": [less, *others], "badges": [badge]}
    await do(house, "previewProgram", document=document("shop", **written))


@asynccontextmanager
async def serving(shop: Shop, running: Running) -> AsyncIterator[House]:
    """The program as those see it who ask a process."""
    opened = await Database.open(shop.urls.app, max_connections=1)
    try:
        async with running.client() as client:
            yield House(Service(running.port, client, opened, ""), shop.program, shop.key)
    finally:
        await opened.close()


async def traffic(house: House, lane: int, stop: asyncio.Event, became: set[tuple[str, str]]) -> None:
    """Purchases of hers and of Bert, one request after the other."""
    number = 0
    while not stop.is_set():
        number += 1
        at = f"2017-03-08T{number // 60 % 24:02}:{number % 60:02}:00Z"
        hers = purchase(f"{ORDER}-{lane}-{number}", ADA, at, thing="CardsJacquard")
        became.update(await record(house, hers, purchase(f"b-{lane}-{number}", BERT, at)))


async def until(connection: Any, query: str) -> None:
    async with asyncio.timeout(SECONDS):
        while not await connection.fetchval(query):
            pass


async def erased(house: House, shop: Shop, worker: Running, start: Start) -> tuple[str, Running]:
    """Erase her while a worker is killed that has removed a part of her, and another comes; the id under which the books keep her."""
    told = "... on EraseMemberSuccess { member done }"
    async with as_superuser(shop) as seen, as_superuser(shop) as held:
        async with held.transaction():
            lock = "SELECT FROM transfer JOIN member ON member.id = member_id WHERE external_id = $1 FOR UPDATE OF transfer"
            await held.execute(lock, ADA)
            name: str = (await do(house, "eraseMember", told, member=ADA))["member"]
            # It has deleted what she did, and waits for her transfers.
            await until(
                seen,
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE transfer%')",
            )
            worker.process.kill()
            assert await seen.fetchval("SELECT count(*) FROM event WHERE id LIKE 'Note%'") == 0
            assert await seen.fetchval("SELECT count(*) > 0 FROM transfer WHERE event_id LIKE 'Note%'")
        another = start(shop, "worker", LOG_LEVEL="debug")
        await until(seen, "SELECT bool_and(done_at IS NOT NULL) FROM erasure")
    assert (await do(house, "eraseMember", told, member=BEFORE))["done"], "who is a part of her goes with her"
    return name, another


@asynccontextmanager
async def as_superuser(shop: Shop) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(shop.urls.superuser)
    try:
        yield connection
    finally:
        await connection.close()


async def dumped(shop: Shop, *logs: Running) -> Dumped:
    return (
        await postgres_dumped(shop.urls)
        | await redis_dumped(shop.redis_url)
        | {str(each.log): each.log.read_bytes() for each in logs}
    )


async def test_a_backup_names_nobody_who_was_erased(shop: Shop, start: Start) -> None:
    running = start(shop, "serve", "--no-worker", LOG_LEVEL="debug")
    first = start(shop, "worker", LOG_LEVEL="debug")
    async with serving(shop, running) as house:
        await lived(house)
        await move(house, "2017-03-20T00:00:00Z")
        async with as_superuser(shop) as connection:
            await until(connection, "SELECT count(*) = 0 FROM job WHERE ended_at IS NULL")
            # What the server does by itself, sooner or later.
            await connection.execute("ANALYZE")
        before = await dumped(shop)
        assert traces(WORDS.values(), before).keys() == set(WORDS.values()), "what is looked for was there"
        assert WORDS["her id"].encode() in before["public.job"], "who would lose something is listed"
        stop, became = asyncio.Event(), set[tuple[str, str]]()
        async with following(house.service, house.token(ADA)) as updates:
            await updates.update()
            lanes = [asyncio.create_task(traffic(house, lane, stop, became)) for lane in range(2)]
            name, second = await erased(house, shop, first, start)
            stop.set()
            await asyncio.gather(*lanes)
        assert became >= {(ADA, "MEMBER_ERASED"), (BERT, "taken")}
        # Without another ANALYZE: of a table that is empty by now, it would keep what it had.
        after = await dumped(shop, running, first, second)
        assert traces(WORDS.values(), after) == {}
        assert any(name.encode() in held for held in after.values())
        running.terminate()
        assert running.process.wait() == 0


def test_a_word_is_found_in_whatever_form() -> None:
    word, around = "Lovelace1815", b"\x00\xff#"
    said = {
        "text": word.lower().encode(),
        "UTF-16": f"her {word}".encode("utf-16-be"),
        "hex": b"\\\\x" + (around + word.encode()).hex().upper().encode(),
        "digest": hashlib.sha256(word.encode()).hexdigest().encode(),
        **{f"base64 {n}": base64.urlsafe_b64encode(around[:n] + word.encode() + around) for n in range(4)},
    }
    found = traces([word], {**said, "nothing": word[1:].encode()})
    assert {each.split(": ")[0] for each in found[word]} == said.keys()
