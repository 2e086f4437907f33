"""`engagement serve`: the API, and a worker beside it."""

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer
import uvloop

from engagement.api.pages import Pages, Shown, built
from engagement.app import PATH, create_app
from engagement.cli.hosting import listener
from engagement.cli.options import DataOption
from engagement.cli.server import Server
from engagement.cli.session import Servers, database, metrics_token, servers
from engagement.cli.stopping import Stop
from engagement.records import programs
from engagement.records.unit import ALL
from engagement.worker import work

COLLECTOR_THRESHOLDS = (100_000, 20, 100)


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 for any free one.")] = 8000,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave the worker to `engagement worker`.")] = False,
    dev: Annotated[bool, typer.Option("--dev", help="For developers: GraphiQL at /graphiql.")] = False,
    descriptor: Annotated[int | None, typer.Option("--descriptor", hidden=True)] = None,
    show: Annotated[str | None, typer.Option("--show", hidden=True)] = None,
    data: DataOption = None,
) -> None:
    """Serve the GraphQL API over HTTP and WebSocket at /graphql, with a worker inside; /live, /ready and /metrics beside it.

    Without configuration it runs PostgreSQL and Valkey of its own. On servers of yours (DATABASE_URL, REDIS_URL) run as many of
    these beside each other as you like.

    Example: engagement serve --port 8000
    """
    pages = Pages(dev, None if show is None else msgspec.json.decode(show, type=Shown))
    if pages.any and not built():
        raise Stop("The pages are not built: `make web` does that.")
    with (
        _listening(host, port, descriptor) as sockets,
        servers(data) as found,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(found, sockets, pages, worker=not no_worker, of_a_command=descriptor is not None))


def _announce(address: tuple[str, int], found: Servers) -> None:
    host, port = address[:2]
    told = f"[{host}]" if ":" in host else host
    where = f"data in {found.data}" if found.data else "on DATABASE_URL and REDIS_URL"
    print(f"Serving at http://{told}:{port}{PATH}, {where}.", file=sys.stderr)


@contextmanager
def _listening(host: str, port: int, descriptor: int | None) -> Iterator[socket.socket]:
    """The socket to serve on: a command that serves for itself hands over one that listens already."""
    if descriptor is None:
        with listener(host, port) as made:
            yield made
    else:
        with socket.socket(fileno=descriptor) as handed_over:
            yield handed_over


async def _serve(found: Servers, sockets: socket.socket, pages: Pages, *, worker: bool, of_a_command: bool) -> None:
    if found.redis_url is None:
        raise Stop("DATABASE_URL is set, but REDIS_URL is not: set both.")
    # Asked before anything starts, so that a database that is away or lacks the schema is told in a sentence.
    async with database(found.database_url) as opened:
        await opened.run(programs.every, ALL, read_only=True)
    if not of_a_command:
        _announce(sockets.getsockname(), found)
    app = create_app(found.database_url, found.redis_url, work if worker else None, metrics_token(), pages)
    # What is there now stays, so no collection need look at it again; and requests leave few cycles behind. With Python's own
    # thresholds a quarter of a batch's time went into looking.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    server = Server(app)
    if of_a_command:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _leave_with_the_command, server)
    await server.serve(sockets=[sockets])
    if not server.started:
        raise Stop("The service could not start; the log says why.")


def _leave_with_the_command(server: Server) -> None:
    """The command's end of standard input is closed, because it wants no more service or is no more."""
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        server.should_exit = True
