"""The service as an ASGI application: GraphQL at one path, over HTTP and sockets, and what it stands on."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, TypeAlias

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from engagement.actions.checkout import Checkout
from engagement.actions.programs import Programs
from engagement.actions.read_screens import Reader
from engagement.actions.record_events import Intake
from engagement.api.pages import Pages, page_routes
from engagement.api.principals import Authentication
from engagement.api.resources import Resources
from engagement.api.schema import schema
from engagement.api.transport import graphql_app
from engagement.errors import Refusal
from engagement.observer import Observer
from engagement.records import programs as records
from engagement.records.unit import ALL, Database
from engagement.relay.boards import Boards
from engagement.relay.drain import Drain
from engagement.relay.live import Hub
from engagement.relay.redis import Down, Link
from engagement.telemetry.endpoints import Probe, routes
from engagement.telemetry.lag import Lag
from engagement.telemetry.metrics import Telemetry
from engagement.telemetry.watching import running, watched

PATH: Final = "/graphql"
NO_PAGES: Final = Pages()
PREFLIGHT_SECONDS: Final = 7200
"""For how long a browser need not ask again whether a page of another origin may send; none keeps it longer than a day."""

Worker: TypeAlias = Callable[[Database, Programs, Drain, Observer], Coroutine[None, None, None]]
"""Work beside the API until it is cancelled."""


def create_app(
    database_url: str,
    redis_url: str,
    worker: Worker | None = None,
    metrics_token: str | None = None,
    pages: Pages = NO_PAGES,
) -> Starlette:
    """The application on a PostgreSQL (as engagement_app, with the newest schema) and a Redis; serve it with
    `UVICORN_SETTINGS`.

    Its start raises `Unavailable` where PostgreSQL does not answer; Redis may come later. When it stops, it waits for what
    is under way. `metrics_token` is asked of whoever reads `/metrics`, where it is given.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        link = Link(redis_url)
        async with _resources(database_url, link) as (resources, telemetry, lag):
            endpoint = _for_pages_elsewhere(
                graphql_app(schema(resources), Authentication(resources.database), telemetry)
            )
            # Nothing is routed before there is something to answer with.
            app.router.routes[:] = [
                *(Route(PATH, endpoint), WebSocketRoute(PATH, endpoint)),
                *page_routes(pages, resources.database),
                *routes(telemetry, lag, Probe(resources.database, link), metrics_token),
            ]
            async with running(_fill(resources)), _beside(worker, resources, telemetry):
                yield

    return Starlette(lifespan=lifespan)


def _for_pages_elsewhere(endpoint: ASGIApp) -> ASGIApp:
    """Let pages of any origin use it, as they may by socket: nothing that a browser sends by itself counts as a credential here."""
    return CORSMiddleware(
        endpoint,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["Retry-After", "X-Request-Id"],
        max_age=PREFLIGHT_SECONDS,
    )


@asynccontextmanager
async def _resources(database_url: str, link: Link) -> AsyncIterator[tuple[Resources, Telemetry, Lag]]:
    async with AsyncExitStack() as closing:
        database = await Database.open(database_url)
        closing.push_async_callback(database.close)
        closing.push_async_callback(link.close)
        telemetry, lag = await closing.enter_async_context(watched(database))
        drain = Drain(database, link)
        closing.push_async_callback(drain.stop)
        boards = Boards(link, database)
        closing.push_async_callback(boards.stop)
        hub = Hub(link)
        closing.push_async_callback(hub.stop)
        await hub.start()
        programs = Programs()
        database.wake = drain.wake
        intake = Intake(database, programs, telemetry)
        checkout, reader = Checkout(database, programs), Reader(database, programs)
        yield Resources(database, programs, intake, checkout, reader, boards, drain, hub), telemetry, lag


async def _fill(resources: Resources) -> None:
    """Fill the boards of every program, as after every start of Redis; until then they are answered from PostgreSQL."""
    with suppress(Refusal, Down):
        for program in await resources.database.run(records.every, ALL, read_only=True):
            await resources.boards.fill(program.id)


@asynccontextmanager
async def _beside(worker: Worker | None, resources: Resources, observer: Observer) -> AsyncIterator[None]:
    if worker is None:
        yield
        return
    async with running(worker(resources.database, resources.programs, resources.drain, observer)):
        yield
