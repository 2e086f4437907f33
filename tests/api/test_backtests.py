"""Backtests through the API: asked for, followed while the worker does them, and read."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.api.conftest import APPLY, House, Service, following, founded

ROOT = Path(__file__).parents[2]

DRAFT: dict[str, Any] = {
    "challenges": [
        {
            "key": "twice",
            "name": "Two days this month",
            "objectives": [{"on": "purchase", "measure": {"distinct": "local_day"}, "target": 2}],
            "window": {"calendar": "month"},
            "rewards": [{"points": 10, "currency": "points"}],
        }
    ]
}
START = """mutation($input: StartBacktestInput!) { startBacktest(input: $input) {
  __typename
  ... on StartBacktestSuccess { replayed backtest { id draft from to job { state kind } report { members } } }
  ... on InvalidProgramError { code mistakes { path message } }
  ... on UserError { code message field }
} }"""
READ = """query($id: ID!) { backtest(id: $id) { id draft from to job { state done total problem } report {
  members events points { currency points } elsewhere { currency points } cost { currency cost }
  budgets { currency points given reachedOn } tiers { ladder tier members without }
  definitions {
    section key name completions winners nearMisses byDay { day completions } byGroup { group completions }
    points { currency points } rewards { sort key count } overlap { section key winners }
    target noCurve curve { target completions winners points { currency points } }
  } } } }"""


def asked(**change: Any) -> dict[str, Any]:
    given = {
        "draft": DRAFT,
        "from": "2017-03-01T05:00:00Z",
        "to": "2017-04-01T04:00:00Z",
        "pointValues": [{"currency": "points", "value": "0.05"}],
        "budgets": [{"currency": "points", "points": 20}],
        "idempotencyKey": secrets.token_hex(8),
    }
    return {"input": {**given, **change}}


async def started(house: House, **change: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await house.data(START, asked(**change)))["startBacktest"]
    return answer


async def progress(house: House, service: Service, backtest_id: str) -> dict[str, Any]:
    """The last that a follower is told."""
    follow = f'subscription {{ jobProgress(id: "{backtest_id}") {{ state done total problem }} }}'
    states: list[dict[str, Any]] = []
    async with following(service, house.key, text=follow) as follower:
        while (message := await follower.next(60))["type"] == "next":
            states.append(message["payload"]["data"]["jobProgress"])
    return states[-1]


async def test_a_draft_is_tried_on_what_happened(house: House, service: Service) -> None:
    for member, days in (("ann", (1, 2, 3)), ("bob", (1,)), ("cid", (4, 6))):
        for day in days:
            await house.bought(member, f"p{day}", "12.00", f"2017-03-{day:02d}T15:00:00Z")
    answer = await started(house)
    assert (answer["__typename"], answer["replayed"]) == ("StartBacktestSuccess", False), answer
    asked_for = answer["backtest"]
    assert (asked_for["draft"], asked_for["from"], asked_for["job"]["kind"]) == (
        DRAFT,
        "2017-03-01T05:00:00Z",
        "backtest",
    )
    assert await progress(house, service, asked_for["id"]) == {"state": "DONE", "done": 3, "total": 3, "problem": None}
    found = (await house.data(READ, {"id": asked_for["id"]}))["backtest"]
    report = found["report"]
    (twice,) = report.pop("definitions")
    curve = twice.pop("curve")
    assert report == {
        "members": 3,
        "events": 6,
        "points": [{"currency": "points", "points": 20}],
        "elsewhere": [],
        "cost": [{"currency": "points", "cost": "1.00"}],
        "budgets": [{"currency": "points", "points": 20, "given": 20, "reachedOn": "2017-03-06"}],
        "tiers": [],
    }
    assert twice == {
        "section": "challenges",
        "key": "twice",
        "name": "Two days this month",
        "completions": 2,
        "winners": 2,
        "nearMisses": 1,
        "byDay": [{"day": "2017-03-02", "completions": 1}, {"day": "2017-03-06", "completions": 1}],
        "byGroup": [],
        "points": [{"currency": "points", "points": 20}],
        "rewards": [],
        "overlap": [
            {"section": "badges", "key": "regular", "winners": 2},
            {"section": "challenges", "key": "month", "winners": 2},
        ],
        "target": 2,
        "noCurve": None,
    }
    spots = [(each["target"], each["completions"], each["winners"], each["points"]) for each in curve[:4]]
    points = [[{"currency": "points", "points": each}] for each in (30, 20, 10, 0)]
    assert spots == [(1, 3, 3, points[0]), (2, 2, 2, points[1]), (3, 1, 1, points[2]), (4, 0, 0, points[3])]


async def test_the_page_is_what_the_service_understands(house: House, service: Service) -> None:
    page = (ROOT / "docs/backtests.md").read_text()
    start, read = re.findall(r"```graphql\n(.*?)```", page, re.DOTALL)
    events, fragment, variables = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (document, _) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    written = {
        **YAML(typ="safe", pure=True).load(document),
        "program": {"key": house.program.key, "timezone": "America/New_York"},
    }
    applied = await service.ask(APPLY, {"input": {"document": written}}, key=service.operator)
    assert applied["data"]["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    sent = [json.loads(line) for line in events.splitlines()]
    ours = {"event_id": "id", "member_id": "member", "type": "type", "occurred_at": "occurredAt"}
    for each in sent:
        properties = {key: value for key, value in each.items() if key not in (*ours, "received_at")}
        await house.record({**{name: each[key] for key, name in ours.items()}, "properties": properties})
    backtest_id = (await house.data(start, json.loads(variables)))["startBacktest"]["backtest"]["id"]
    assert (await progress(house, service, backtest_id))["state"] == "DONE"
    report = (await house.data(read, {"id": backtest_id}))["backtest"]["report"]
    (found,) = report["definitions"]
    told = json.loads(fragment)
    assert (found["completions"], found["winners"], found["nearMisses"]) == (
        *(told[name] for name in ("completions", "winners", "near_misses")),
    )
    assert (report["cost"], report["budgets"][0]["reachedOn"]) == (
        [{"currency": "points", "cost": "1.00"}],
        "2026-03-20",
    )


async def test_what_is_wrong_is_told_with_its_place(house: House) -> None:
    wrong = await started(house, draft={"badges": [{"key": "b", "on": "swim", "levels": [{"target": 1}]}]})
    assert (wrong["code"], [each["path"] for each in wrong["mistakes"]]) == ("INVALID_PROGRAM", ["badges[0].on"])
    for change, field in (
        ({"to": "2017-02-01T00:00:00Z"}, "to"),
        ({"from": "yesterday"}, "from"),
        ({"pointValues": [{"currency": "points", "value": "a lot"}]}, "pointValues"),
        ({"budgets": [{"currency": "points", "points": 1}, {"currency": "points", "points": 2}]}, "budgets"),
    ):
        refused = await started(house, **change)
        assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field), refused


async def test_a_key_asks_once(house: House) -> None:
    first, again = await started(house, idempotencyKey="k"), await started(house, idempotencyKey="k")
    assert (first["backtest"]["id"], again["replayed"]) == (again["backtest"]["id"], True)
    assert (
        await started(
            house, idempotencyKey="k", draft={"badges": [{"key": "b", "on": "purchase", "levels": [{"target": 1}]}]}
        )
    )["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_anothers_backtest_is_none(house: House, service: Service) -> None:
    backtest_id = (await started(house))["backtest"]["id"]
    other = await founded(service, sandbox=None)
    for missing in (backtest_id, "no id at all"):
        assert (await other.refusal(READ, {"id": missing}))["code"] == "JOB_NOT_FOUND"
    reader = await service.key(house.program.id, ["members:read"])
    assert (await house.refusal(READ, {"id": backtest_id}, key=reader))["code"] == "FORBIDDEN"
    assert (await house.refusal(START, asked(), key=reader))["code"] == "FORBIDDEN"
