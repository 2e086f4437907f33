"""`engagement worker`: a worker without an API beside it."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack, suppress
from typing import Annotated

import structlog
import typer
from starlette.applications import Starlette

from engagement.actions.programs import Programs
from engagement.cli.hosting import listener
from engagement.cli.options import DataOption
from engagement.cli.server import serving_beside
from engagement.cli.session import Servers, database, metrics_token, servers
from engagement.cli.stopping import Stop
from engagement.relay.drain import Drain
from engagement.relay.redis import Link
from engagement.telemetry.endpoints import Probe, routes
from engagement.telemetry.watching import watched
from engagement.worker import work

_log = structlog.get_logger(__name__)

CONNECTIONS = 4
"""One for the round under way, and some for what is sent and asked beside it."""


def worker(
    host: Annotated[str, typer.Option("--host", help="The address of --port; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Where to answer /live, /ready and /metrics.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Advance members to whom something falls due, fold long histories again, and send what is left in the outbox.

    `engagement serve` has a worker inside; run this beside `serve --no-worker`, as often as you like.

    Example: DATABASE_URL=postgresql://engagement_app:…@db/engagement REDIS_URL=redis://cache engagement worker --port 9000
    """
    with servers(data) as found:
        if port is None:
            asyncio.run(_run(found, None))
            return
        with listener(host, port) as listening:
            asyncio.run(_run(found, listening))


async def _run(found: Servers, listening: socket.socket | None) -> None:
    if found.redis_url is None:
        raise Stop("DATABASE_URL is set, but REDIS_URL is not: set both.")
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    # A stop that was asked for is no failure.
    with suppress(asyncio.CancelledError):
        async with AsyncExitStack() as closing:
            opened = await closing.enter_async_context(database(found.database_url, CONNECTIONS))
            link = Link(found.redis_url)
            closing.push_async_callback(link.close)
            telemetry, lag = await closing.enter_async_context(watched(opened))
            drain = Drain(opened, link)
            closing.push_async_callback(drain.stop)
            opened.wake = drain.wake
            if listening is not None:
                answering = Starlette(routes=routes(telemetry, lag, Probe(opened, link), metrics_token()))
                await closing.enter_async_context(serving_beside(answering, listening))
            _log.info("working until asked to stop")
            await work(opened, Programs(), drain, telemetry)
