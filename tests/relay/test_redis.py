"""The breaker: it is the server's fault alone that opens it."""

import asyncio
import signal
import time

import pytest
from structlog.testing import capture_logs

from engagement.relay.redis import DEADLINE_SECONDS, Command, Down, Link
from tests.relay.conftest import Server

ASKED, ANSWERED = Command(("ECHO", "here")), ["here"]


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("steps", [1, 4])
async def test_a_loop_that_was_busy_does_not_blame_the_server(link: Link, *, connected: bool, steps: int) -> None:
    if connected:
        assert await link.send(ASKED) == ANSWERED
    asking = asyncio.create_task(link.send(ASKED))
    # Into the making of a connection, or the wait for the answer.
    for _ in range(steps):
        await asyncio.sleep(0)
    time.sleep(DEADLINE_SECONDS + 0.1)  # noqa: ASYNC251 — the loop is held up on purpose.
    assert await asking == ANSWERED
    assert link.up


async def test_what_a_refusal_quotes_is_told_to_nobody(link: Link) -> None:
    with capture_logs() as lines, pytest.raises(Down) as down:
        await link.send(Command(("UNHEARD", "ada@example.org")))
    assert lines == [{"event": "Redis refused a command", "error": "ResponseError", "log_level": "warning"}]
    assert "ada" not in str(down.value)
    assert "ada" in str(down.value.__cause__), "which the server quotes"


async def test_a_busy_loop_does_not_hide_a_frozen_server(link: Link, server: Server) -> None:
    assert await link.send(ASKED) == ANSWERED
    server.signal(signal.SIGSTOP)
    asking = asyncio.create_task(link.send(ASKED))
    await asyncio.sleep(0)
    time.sleep(DEADLINE_SECONDS + 0.1)  # noqa: ASYNC251 — the loop is held up on purpose.
    with pytest.raises(Down):
        await asking
    assert not link.up
    server.signal(signal.SIGCONT)
