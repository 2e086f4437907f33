"""`engagement worker`: a worker without an API beside it."""

import asyncio
import signal

from engagement.actions.programs import Programs
from engagement.cli.options import DataOption
from engagement.cli.session import Servers, database, servers
from engagement.cli.stopping import Stop
from engagement.relay.drain import Drain
from engagement.relay.redis import Link
from engagement.worker import work


def worker(data: DataOption = None) -> None:
    """Advance members to whom something falls due, fold long histories again, and send what is left in the outbox.

    `engagement serve` has a worker inside; run this beside `serve --no-worker`, as often as you like.

    Example: DATABASE_URL=postgresql://engagement_app:…@db/engagement REDIS_URL=redis://cache engagement worker
    """
    with servers(data) as found:
        asyncio.run(_run(found))


async def _run(found: Servers) -> None:
    if found.redis_url is None:
        raise Stop("DATABASE_URL is set, but REDIS_URL is not: set both.")
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with database(found.database_url) as opened:
        link = Link(found.redis_url)
        drain = Drain(opened, link)
        opened.wake = drain.wake
        try:
            await work(opened, Programs(), drain)
        except asyncio.CancelledError:
            # A stop that was asked for is no failure.
            pass
        finally:
            await drain.stop()
            await link.close()
