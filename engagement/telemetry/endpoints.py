"""What machines ask a process: does it live, is it ready for work, and what has it counted."""

import asyncio
import hmac
from typing import Final, Literal

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engagement.errors import Refusal
from engagement.records import readiness
from engagement.records.unit import ALL, Database
from engagement.relay.redis import Command, Down, Link
from engagement.telemetry.lag import Lag
from engagement.telemetry.metrics import Telemetry

LAG_SECONDS_MAX: Final = 1.0
PROBE_SECONDS: Final = 2.0
"""The longest that PostgreSQL may take to show that it is there."""
PROBE_AGAIN_SECONDS: Final = 0.5
"""However often somebody asks, the servers are not asked more often."""

_log = structlog.get_logger(__name__)


class Readiness(msgspec.Struct, frozen=True):
    """What `/ready` says. `reason` is the code of what is wrong with the database."""

    status: Literal["ready", "degraded", "unready"]
    database: Literal["up", "down"]
    redis: Literal["up", "down"]
    reason: str | None = None


class Probe:
    """Asks PostgreSQL and Redis what work would ask of them. Whoever comes while it asks shares the answer."""

    def __init__(self, database: Database, redis: Link) -> None:
        self._database = database
        self._redis = redis
        self._asked_at = float("-inf")
        self._asking: asyncio.Future[Readiness] | None = None

    async def ask(self) -> Readiness:
        """How things stand, as of half a second ago at most. Takes little more than 2 s."""
        now = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now - self._asked_at > PROBE_AGAIN_SECONDS):
            self._asked_at = now
            self._asking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Readiness:
        reason, redis = await asyncio.gather(self._complaint_of_database(), self._redis_state())
        if reason is not None:
            return Readiness("unready", "down", redis, reason)
        return Readiness("ready" if redis == "up" else "degraded", "up", redis)

    async def _complaint_of_database(self) -> str | None:
        try:
            writable = await self._database.run(readiness.is_writable, ALL, deadline_seconds=PROBE_SECONDS)
        except Refusal as refusal:
            return refusal.code
        except Exception:  # noqa: BLE001 — a database without our schema, say: whatever it is, no work can be done.
            _log.exception("the database cannot be used")
            return "UNUSABLE"
        return None if writable else "READ_ONLY"

    async def _redis_state(self) -> Literal["up", "down"]:
        try:
            await self._redis.send(Command(("PING",)))
        except Down:
            return "down"
        return "up"


def routes(telemetry: Telemetry, lag: Lag, probe: Probe, metrics_token: str | None = None) -> list[Route]:
    """`/live`, `/ready` and `/metrics`. With a token, metrics are for those alone who show it as a bearer token."""

    async def live(_: Request) -> Response:
        late = lag.seconds
        return _json({"status": "late" if late >= LAG_SECONDS_MAX else "live"}, late < LAG_SECONDS_MAX)

    async def ready(_: Request) -> Response:
        found = await probe.ask()
        return _json(found, found.status != "unready")

    async def metrics(request: Request) -> Response:
        shown = request.headers.get("authorization", "").encode()
        if metrics_token and not hmac.compare_digest(shown, f"Bearer {metrics_token}".encode()):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
        return Response(telemetry.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/live", live), Route("/ready", ready), Route("/metrics", metrics)]


def _json(body: object, well: bool) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), 200 if well else 503, headers, "application/json")
