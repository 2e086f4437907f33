"""The service as an ASGI application: GraphQL at one path, over HTTP and sockets, and what it stands on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, TypeAlias

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from engagement.actions.programs import Programs
from engagement.actions.record_events import Intake
from engagement.api.principals import Authentication
from engagement.api.resources import Resources
from engagement.api.schema import schema
from engagement.api.transport import graphql_app
from engagement.records.unit import Database
from engagement.relay.boards import Boards
from engagement.relay.drain import Drain
from engagement.relay.live import Hub
from engagement.relay.redis import Link

PATH: Final = "/graphql"

Worker: TypeAlias = Callable[[Database, Programs, Drain], Coroutine[None, None, None]]
"""Work beside the API until it is cancelled."""


def create_app(database_url: str, redis_url: str, worker: Worker | None = None) -> Starlette:
    """The application on a PostgreSQL (as engagement_app, with the newest schema) and a Redis; serve it with
    `UVICORN_SETTINGS`.

    Its start raises `Unavailable` where PostgreSQL does not answer; Redis may come later. When it stops, it waits for what
    is under way.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _resources(database_url, redis_url) as resources:
            endpoint = graphql_app(schema(resources), Authentication(resources.database))
            # Nothing is routed before there is something to answer with.
            app.router.routes[:] = [Route(PATH, endpoint), WebSocketRoute(PATH, endpoint)]
            async with _beside(worker, resources):
                yield

    return Starlette(lifespan=lifespan)


@asynccontextmanager
async def _resources(database_url: str, redis_url: str) -> AsyncIterator[Resources]:
    async with AsyncExitStack() as closing:
        database = await Database.open(database_url)
        closing.push_async_callback(database.close)
        link = Link(redis_url)
        closing.push_async_callback(link.close)
        drain = Drain(database, link)
        closing.push_async_callback(drain.stop)
        boards = Boards(link, database)
        closing.push_async_callback(boards.stop)
        hub = Hub(link)
        closing.push_async_callback(hub.stop)
        await hub.start()
        programs = Programs()
        database.wake = drain.wake
        yield Resources(database, programs, Intake(database, programs), boards, drain, hub)


@asynccontextmanager
async def _beside(worker: Worker | None, resources: Resources) -> AsyncIterator[None]:
    if worker is None:
        yield
        return
    task = asyncio.create_task(worker(resources.database, resources.programs, resources.drain))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
