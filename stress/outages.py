"""F3 and F4: PostgreSQL is ended at once and comes back; PostgreSQL is frozen, as behind a network that swallows everything."""

import asyncio
import signal
import time

from stress.processes import Api
from stress.report import Report
from stress.servers import Both, both
from stress.traffic import traffic

ANSWER_SECONDS_DOWN = 2.0
ANSWER_SECONDS_FROZEN = 5.0
SUCCESS_SECONDS = 2.0
BEFORE_SECONDS = 1.0
AFTER_SECONDS = 2.0
DURABLE = "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit') WHERE $1 > 0"


def stop_postgres(seed: int, down_seconds: float = 10.0) -> Report:
    """F3: PostgreSQL is stopped with `-m immediate` in the middle of traffic, and started again after some seconds."""
    with both() as servers:
        api = Api(servers, "api")
        try:
            return asyncio.run(_stop_postgres(servers, api, seed, down_seconds))
        finally:
            api.stop()


async def _stop_postgres(servers: Both, api: Api, seed: int, down_seconds: float) -> Report:
    report = Report(f"PostgreSQL stopped at once, and started again after {down_seconds:g} s")
    await api.start()
    async with traffic(servers, api, seed, "stopped") as flow:
        ((durable,),) = await flow.grocer.rows(DURABLE)
        report.equal("fsync and synchronous_commit", durable, "on on")
        async with flow.flowing():
            await asyncio.sleep(BEFORE_SECONDS)
            stopped = time.monotonic()
            servers.postgres.end(signal.SIGQUIT)
            await asyncio.sleep(down_seconds)
            servers.postgres.start()
            await servers.postgres_answers()
            accepts = time.monotonic()
            await flow.some_success(accepts)
            await asyncio.sleep(AFTER_SECONDS)
        flow.tell_waits(report, flow.waits(stopped, accepts), ANSWER_SECONDS_DOWN)
        report.within("first success after it took connections", flow.first_success(accepts), SUCCESS_SECONDS)
        flow.tell_answers(report)
        await flow.conclude(report)
    return report


def freeze_postgres(seed: int, frozen_seconds: float = 60.0) -> Report:
    """F4: every process of PostgreSQL is frozen in the middle of traffic, and goes on after some time."""
    with both() as servers:
        api = Api(servers, "api")
        try:
            return asyncio.run(_freeze_postgres(servers, api, seed, frozen_seconds))
        finally:
            api.stop()


async def _freeze_postgres(servers: Both, api: Api, seed: int, frozen_seconds: float) -> Report:
    report = Report(f"PostgreSQL frozen for {frozen_seconds:g} s")
    await api.start()
    async with traffic(servers, api, seed, "frozen") as flow:
        async with flow.flowing():
            await asyncio.sleep(BEFORE_SECONDS)
            with servers.postgres.frozen():
                froze = time.monotonic()
                await asyncio.sleep(frozen_seconds)
            goes_on = time.monotonic()
            await flow.some_success(goes_on)
            await asyncio.sleep(AFTER_SECONDS)
        flow.tell_waits(report, flow.waits(froze, goes_on), ANSWER_SECONDS_FROZEN)
        unknown = sum(each.code == "OUTCOME_UNKNOWN" for each in flow.told.log)
        report.told("mutations of unknown outcome, sent again", unknown)
        report.within("first success after it went on", flow.first_success(goes_on), SUCCESS_SECONDS)
        flow.tell_answers(report)
        await flow.conclude(report)
    return report
