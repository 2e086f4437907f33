"""`engagement worker` that counts one member anew in each step, and hangs within the step of a number where it is told to.

python recounting_worker.py [STOP_AT]
"""

import asyncio
import sys

from engagement.actions import publishing
from engagement.actions.jobs import Running
from engagement.cli.worker import worker
from engagement.records.unit import Unit

STOP_AT = int(sys.argv[1]) if len(sys.argv) > 1 else None

note = Running.note


async def hanging(self: Running, unit: Unit, done: int, total: int | None, place: object = None) -> None:
    """Note how far it is, and go no further."""
    await note(self, unit, done, total, place)
    if done == STOP_AT:
        sys.stdout.write(f"hanging in {done}\n")
        sys.stdout.flush()
        await asyncio.sleep(3600)


publishing.MEMBERS_AT_ONCE = 1  # type: ignore[misc]
Running.note = hanging  # type: ignore[method-assign]
worker()
