"""What is kept of the log is JSON, names requests, and holds nothing of members, events or credentials."""

import asyncio
import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from engagement.telemetry import logs
from tests.ops.conftest import RECORD, Shop, Start, as_owner, purchase, record

MEMBER = "canary-ann@example.com"
PROPERTY = "canary-4711.25"
PRIVATE = ("canary", "4711", "ek_", "eyJ", "Bearer")


async def test_requests_are_lines_without_personal_data(shop: Shop, start: Start) -> None:
    running = start(shop, LOG_LEVEL="debug")
    async with running.client(shop.key) as client:
        await record(
            client, purchase("canary-1", MEMBER), purchase("canary-2", MEMBER, properties={"amount": PROPERTY})
        )
        reply = await client.post(
            "/graphql", json={"query": "query Me { me { externalId } }"}, headers=bearer(shop.token(MEMBER))
        )
        assert reply.json()["data"]["me"]["externalId"] == MEMBER
        named = {"query": f'query {"N" * 100} {{ member(externalId: "{MEMBER}-2") {{ id }} }}'}
        await client.post("/graphql", json=named)
        await client.post("/graphql", json={"query": RECORD}, headers=bearer("ek_canary_wrong"))
        await client.post("/graphql", content=b'{"query": "canary')
    lines = [line for line in running.lines() if line["event"] == "request"]
    told = [(line["operation"], line["kind"], line["code"], line["program"]) for line in lines]
    assert told == [
        ("Record", "mutation", "OK", shop.program.id),
        ("Me", "query", "OK", shop.program.id),
        ("N" * 64, "query", "MEMBER_NOT_FOUND", shop.program.id),
        (None, "unknown", "UNAUTHENTICATED", None),
        (None, "unknown", "UNSUPPORTED_MEDIA_TYPE", shop.program.id),
    ]
    assert lines[1]["request_id"] == reply.headers["X-Request-Id"]
    assert all(line["ms"] > 0 and line["timestamp"].endswith("Z") for line in lines)
    batches = [line for line in running.lines() if line["event"] == "batch"]
    assert [(line["requests"], line["events"]) for line in batches] == [(1, 2)]
    assert leaked(running.log.read_text()) == []


async def test_a_defect_is_told_without_what_the_database_quotes(shop: Shop, start: Start) -> None:
    running = start(shop)
    owner = await as_owner(shop)
    await owner.execute(f"ALTER TABLE member ADD CONSTRAINT rare CHECK (external_id <> '{MEMBER}')")
    await owner.close()
    async with running.client(shop.key) as client:
        given = {"query": RECORD, "variables": {"input": {"events": [purchase("canary-1", MEMBER)]}}}
        reply = await client.post("/graphql", json=given)
    assert reply.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    failures = {line["event"].split()[0]: line for line in running.lines() if "error" in line["level"]}
    defect = failures["unexpected"]
    assert defect["error_id"] == reply.json()["errors"][0]["extensions"]["id"]
    assert defect["request_id"] == failures["request"]["request_id"] == reply.headers["X-Request-Id"]
    assert defect["error"][0]["sqlstate"] == "23514"
    assert any(place.startswith("engagement.records.members:") for place in defect["error"][0]["at"])
    assert failures["request"]["code"] == "INTERNAL_SERVER_ERROR"
    assert leaked(running.log.read_text()) == []


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    # A uvicorn that another test ran in this process may have set its own loggers up.
    theirs = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    kept = [(each, each.propagate, each.handlers[:], each.level) for each in theirs]
    for each in theirs:
        each.propagate, each.handlers[:] = True, []
        each.setLevel(logging.NOTSET)
    stream = io.StringIO()
    yield stream
    root.handlers[:], root.level = before
    for each, propagate, handlers, level in kept:
        each.propagate, each.handlers[:] = propagate, handlers
        each.setLevel(level)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def last(stream: io.StringIO) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(stream.getvalue().splitlines()[-1])
    return found


def test_foreign_records_lose_their_arguments(written: io.StringIO) -> None:
    logs.configure(written, "info")
    logging.getLogger("asyncpg").warning("could not bind %r", MEMBER)
    assert last(written)["event"] == "could not bind %r"
    logging.getLogger("uvicorn.error").error("Finished server process [%d]", 7)
    assert last(written)["event"] == "Finished server process [7]"
    logging.getLogger("asyncpg").info("%s", "daily business")
    assert "daily" not in written.getvalue()
    assert leaked(written.getvalue()) == []


def test_errors_tell_where_and_what_came_before(written: io.StringIO) -> None:
    logs.configure(written, "info")
    try:
        try:
            raise KeyError(MEMBER)
        except KeyError as error:
            raise ValueError(PROPERTY) from error
    except ValueError:
        structlog.get_logger().exception("failed")
    assert [each["type"] for each in last(written)["error"]] == ["builtins.ValueError", "builtins.KeyError"]
    assert "test_errors_tell_where" in last(written)["error"][0]["at"][0]
    assert leaked(written.getvalue()) == []


async def test_what_nobody_looked_at_is_told_the_same_way(written: io.StringIO) -> None:
    logs.configure(written, "info")
    loop = asyncio.get_running_loop()
    logs.unhandled(loop, {"message": "Task exception was never retrieved", "exception": ValueError(MEMBER)})
    assert last(written)["error"] == [{"type": "builtins.ValueError", "at": []}]
    assert leaked(written.getvalue()) == []


@pytest.mark.usefixtures("written")
def test_people_read_words() -> None:
    terminal = Terminal()
    logs.configure(terminal, "info")
    try:
        sys.exit(3)
    except SystemExit:
        structlog.get_logger().exception("failed", program=3)
    assert "failed" in terminal.getvalue()
    assert "Traceback" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def leaked(text: str) -> list[str]:
    return [each for each in PRIVATE if each in text]
