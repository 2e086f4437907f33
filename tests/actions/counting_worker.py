"""`engagement worker` with a kind of job of its own, which counts to what was asked for; hung in the middle of a piece where it is told to.

python counting_worker.py [STOP_AT]
"""

import asyncio
import sys

import engagement.worker
from engagement.actions.jobs import Running
from engagement.cli.worker import worker
from engagement.records.unit import Unit

STOP_AT = int(sys.argv[1]) if len(sys.argv) > 1 else None


async def count(running: Running) -> dict[str, int]:
    """Count, one a unit, from where it was noted last."""
    total, begun = int(running.job.input), running.job.place or 0
    for done in range(begun + 1, total + 1):

        async def step(unit: Unit, done: int = done) -> None:
            await running.note(unit, done, total, done)
            if done == STOP_AT:
                sys.stdout.write(f"hanging in {done}\n")
                sys.stdout.flush()
                await asyncio.sleep(3600)

        await running.database.run(step, running.program_id)
    return {"counted": total - begun}


engagement.worker.KINDS = {"count": count}
worker()
