"""What machines ask: /live, /ready and /metrics, of a real process whose servers come and go."""

import asyncio
import re
import time
from pathlib import Path

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from engagement.embedded import Endpoints
from engagement.records.unit import Database
from engagement.relay.redis import Link
from engagement.telemetry.endpoints import Probe, routes
from engagement.telemetry.lag import Lag
from engagement.telemetry.metrics import Telemetry
from tests.api.conftest import Service, following
from tests.ops.conftest import SCREEN, Running, Shop, Start, purchase, record

NOWHERE = "redis://127.0.0.1:1"
PAGE = Path(__file__).parents[2] / "docs/operations.md"


def measured(text: str) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    families = text_string_to_metric_families(text)
    return {(each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples}


async def measure(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    return measured((await client.get("/metrics")).text)


async def until_ready_says(running: Running, status: int) -> dict[str, str | None]:
    async with running.client() as client, asyncio.timeout(20):
        while (reply := await client.get("/ready")).status_code != status:
            assert running.process.poll() is None
    found: dict[str, str | None] = reply.json()
    return found


async def test_ready_follows_the_database(shop: Shop, start: Start, endpoints: Endpoints) -> None:
    running = start(shop)
    name = re.search(r"/(test_\w+)", shop.urls.app)
    assert name
    assert await until_ready_says(running, 200) == {"status": "ready", "database": "up", "redis": "up", "reason": None}
    owner = await asyncpg.connect(endpoints.database_owner_url)
    await owner.execute(f"ALTER DATABASE {name[1]} WITH ALLOW_CONNECTIONS false")
    app = await asyncpg.connect(endpoints.database_url)
    await app.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name[1])
    await app.close()
    away = await until_ready_says(running, 503)
    assert (away["status"], away["database"]) == ("unready", "down")
    async with running.client() as client:
        assert (await client.get("/live")).json() == {"status": "live"}
    await owner.execute(f"ALTER DATABASE {name[1]} WITH ALLOW_CONNECTIONS true")
    await owner.close()
    assert (await until_ready_says(running, 200))["status"] == "ready"


async def test_without_redis_it_is_degraded_and_works(shop: Shop, start: Start) -> None:
    running = start(shop, REDIS_URL=NOWHERE)
    found = await until_ready_says(running, 200)
    assert found == {"status": "degraded", "database": "up", "redis": "down", "reason": None}
    async with running.client(shop.key) as client:
        assert (await record(client, purchase("first")))["receipts"][0]["status"] == "APPLIED"


async def test_a_server_that_only_reads_is_not_ready(records: Database, endpoints: Endpoints) -> None:
    link = Link(endpoints.redis_url)
    async with _asked(Telemetry(records, Lag()), Lag(), Probe(records, link)) as client:
        assert (await client.get("/ready")).status_code == 200
        await records.run(lambda unit: unit.execute("SET default_transaction_read_only = on"), 1)
        await asyncio.sleep(0.6)
        reply = await client.get("/ready")
    await link.close()
    assert (reply.status_code, reply.json()["reason"]) == (503, "READ_ONLY")


async def test_many_probes_cost_one_connection(records: Database, endpoints: Endpoints) -> None:
    link = Link(endpoints.redis_url)
    async with _asked(Telemetry(records, Lag()), Lag(), Probe(records, link)) as client:
        asking = [asyncio.create_task(client.get("/ready")) for _ in range(50)]
        most = 0
        while not all(each.done() for each in asking):
            most = max(most, records.pool.in_use + records.pool.waiting)
            await asyncio.sleep(0)
    await link.close()
    assert {each.result().status_code for each in asking} == {200}
    assert most == 1


async def test_a_loop_that_hangs_is_not_alive(records: Database) -> None:
    lag = Lag()
    watching = asyncio.create_task(lag.watch())
    async with _asked(Telemetry(records, lag), lag, Probe(records, Link(NOWHERE))) as client:
        await asyncio.sleep(0.01)
        assert (await client.get("/live")).status_code == 200
        time.sleep(1.4)  # noqa: ASYNC251 — the point.
        assert (await client.get("/live")).status_code == 503
        await asyncio.sleep(0.6)
        assert (await client.get("/live")).status_code == 200
        assert (await measure(client))["engagement_event_loop_lag_seconds",] > 1
    watching.cancel()


async def test_metrics_tell_what_was_done(shop: Shop, start: Start) -> None:
    running = start(shop)
    async with running.client(shop.key) as client:
        await record(client, *(purchase(f"e{each}") for each in range(3)), {"member": "ann"})
        await record(client, purchase("late", occurredAt="2026-11-01T12:00:00Z"))
        await client.post("/graphql", json={"query": SCREEN})
        await client.post("/graphql", json={"query": "{ me { nonsense } }"})
        await client.post("/graphql", json={"query": SCREEN}, headers={"Authorization": "Bearer ek_wrong"})
        service = Service(running.port, client, None, "")  # type: ignore[arg-type]
        async with following(service, shop.token("ann")) as socket:
            await socket.update()
            open_now = await measure(client)
        async with asyncio.timeout(10):
            while ("engagement_outbox_oldest_age_seconds",) not in (found := await measure(client)):
                assert running.process.poll() is None
        text = (await client.get("/metrics")).text
    assert open_now["engagement_open_connections", "websocket"] == 1
    assert found["engagement_requests_total", "OK", "mutation"] == 2
    assert found["engagement_requests_total", "OK", "query"] == 1
    assert found["engagement_requests_total", "GRAPHQL_VALIDATION_FAILED", "query"] == 1
    assert found["engagement_requests_total", "UNAUTHENTICATED", "unknown"] == 1
    assert found["engagement_batches_total", "OK"] == 2
    assert found["engagement_batch_size_events_sum",] == 5
    assert 0 < found["engagement_batch_fold_duration_seconds_sum",] < found["engagement_batch_duration_seconds_sum",]
    assert found["engagement_database_connections_max",] == 10
    assert found["engagement_worker_rounds_total", "done"] >= 1
    for private in ("ann", "shop", str(shop.program.id), shop.key):
        assert f'"{private}' not in text


async def test_a_typed_refusal_counts_by_its_code(shop: Shop, start: Start) -> None:
    running = start(shop, "serve", "--no-worker")
    async with running.client(shop.key) as client:
        assert (await record(client)) == {"__typename": "InvalidInputError", "code": "INVALID_INPUT"}
        found = await measure(client)
    assert found["engagement_requests_total", "INVALID_INPUT", "mutation"] == 1
    # Nobody looks at the outbox here, so nothing is said of it.
    assert ("engagement_outbox_oldest_age_seconds",) not in found


async def test_metrics_can_ask_for_a_token(shop: Shop, start: Start) -> None:
    running = start(shop, METRICS_TOKEN="only for prometheus")
    async with running.client() as client:
        assert (await client.get("/metrics")).status_code == 401
        for shown in (shop.key, "only for"):
            refused = await client.get("/metrics", headers={"Authorization": f"Bearer {shown}"})
            assert refused.status_code == 401
        told = {"Authorization": "Bearer only for prometheus"}
        assert (await client.get("/metrics", headers=told)).status_code == 200
        assert (await client.get("/live")).status_code == 200


@pytest.fixture
def registry(records: Database) -> CollectorRegistry:
    return Telemetry(records, Lag()).registry


def own(registry: CollectorRegistry) -> list[Metric]:
    return [each for each in registry.collect() if each.name.startswith("engagement_")]


async def test_page_lists_the_metrics_that_there_are(registry: CollectorRegistry) -> None:
    listed = set(re.findall(r"^\| `(engagement_\w+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE))
    suffix = {"counter": "_total"}
    assert listed == {(each.name + suffix.get(each.type, ""), each.type) for each in own(registry)}


async def test_metrics_have_help_and_units_and_few_labels(registry: CollectorRegistry) -> None:
    for each in own(registry):
        assert each.documentation.endswith(".")
        if each.type == "histogram":
            assert each.name.endswith(("_seconds", "_events"))
        labels = {label for sample in each.samples for label in sample.labels}
        assert labels <= {"kind", "code", "transport", "outcome", "le"}


def _asked(telemetry: Telemetry, lag: Lag, probe: Probe) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=routes(telemetry, lag, probe)))
    return httpx.AsyncClient(transport=transport, base_url="http://asked")
