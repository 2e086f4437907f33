"""A shop that is served with its pages, and a real browser to look at them."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Page, Request, async_playwright

from engagement.api.pages import Pages, Shown
from engagement.embedded import Endpoints
from engagement.records import credentials
from engagement.records.unit import ALL, Database
from tests.api.conftest import APPLY, START, House, Service, _number_programs_from, document, founded, listening
from tests.clients.node import install
from tests.conftest import _database
from tests.web import chromium
from tests.web.cable import Cable

ROOT = Path(__file__).resolve().parents[2]
SHOWN = Shown("corner-shop", "ever", ("anna", "bert"))
DESKTOP = (1280, 800)
PHONE = (390, 844)


@pytest.fixture(scope="session")
def built() -> None:
    """The pages, built from the sources as they are; one process does it while the others wait."""
    done = subprocess.run([sys.executable, "web/build.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
async def shop(endpoints: Endpoints, template: str, built: None) -> AsyncIterator[House]:  # noqa: ARG001
    """A sandbox in a service of its own, with GraphiQL and the demo's page, on which anna and bert are shown."""
    async with serving(endpoints, template, Pages(graphiql=True, demo=SHOWN)) as service:
        yield await founded(service, {"clock": START}, SHOWN.program)


SHELF: dict[str, list[dict[str, object]]] = {
    "vouchers": [{"key": "brew", "prefix": "BREW-"}],
    "rewards": [
        {
            "key": "coffee",
            "name": "A coffee",
            "texts": {"de": {"name": "Ein Kaffee"}},
            "kind": "voucher",
            "category": "every-day",
            "image": "/static/rewards/coffee.svg",
            "price": {"points": 30, "currency": "points"},
            "gives": [{"voucher": "brew"}],
            "validity": 30,
        },
        {"key": "mug", "name": "The mug", "kind": "product", "price": {"points": 40, "currency": "points"}, "stock": 1},
        {
            "key": "evening",
            "name": "An evening",
            "kind": "experience",
            "image": "/static/rewards/none.svg",
            "sessions": [
                {"key": key, "starts": f"2026-12-{day}T19:00:00Z", "ends": f"2026-12-{day}T22:00:00Z", "capacity": 3}
                for key, day in (("soon", "04"), ("later", "11"))
            ],
        },
        {"key": "hamper", "name": "The hamper", "kind": "product", "price": {"points": 500, "currency": "points"}},
    ],
}


@pytest.fixture
async def shelf(shop: House) -> House:
    """The same with something to be had in its shop."""
    given = {"input": {"document": document(SHOWN.program, **SHELF)}}
    assert (await shop.data(APPLY, given))["applyProgram"]["__typename"] == "ApplyProgramSuccess"
    return shop


@asynccontextmanager
async def serving(endpoints: Endpoints, template: str, pages: Pages) -> AsyncIterator[Service]:
    """A service with these pages and a database of its own."""
    async with _database(endpoints, template) as urls:
        back_door = await Database.open(urls.app, max_connections=2)
        # Tests share a Redis and not their databases, so the programs of each need other numbers.
        await _number_programs_from(urls.owner, secrets.randbelow(2**30))
        operator = await back_door.run(lambda unit: credentials.create(unit, None, "operator", ()), ALL)
        async with (
            listening(urls.app, endpoints.redis_url, pages) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
        ):
            yield Service(port, client, back_door, operator)
        await back_door.close()


@pytest.fixture
async def cable(shop: House) -> AsyncIterator[Cable]:
    """What lies between the browser and the service."""
    made = Cable(shop.service.port)
    await made.join()
    yield made
    await made.cut()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium."""
    found = chromium.find()
    environment: dict[str, str | float | bool] = {**os.environ, **found.environment}
    async with async_playwright() as playwright:
        try:
            started = await playwright.chromium.launch(
                executable_path=found.program, args=list(chromium.ARGUMENTS), env=environment
            )
        except Error as error:
            pytest.fail(f"{chromium.MISSING} {found.program} does not start:\n{error}")
        yield started
        await started.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of the audit for accessibility. npm has it, whether or not the machine has a Chromium of its own."""
    install(chromium.HERE)
    return (chromium.HERE / "node_modules" / "axe-core" / "axe.min.js").read_text()


@dataclass
class Visit:
    """A page in the browser, with what it complained of and what it asked for."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note complaints and requests from here on."""

        def hear(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.complaints.append(message.text)

        def see(request: Request) -> None:
            self.asked.append(request.url)

        self.page.on("console", hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", see)


@pytest.fixture
async def visit(browser: Browser, cable: Cable) -> AsyncIterator[Visit]:
    """A visit to the shop, over the cable."""
    context = await browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, locale="en-GB")
    page = await context.new_page()
    page.set_default_timeout(20_000)
    made = Visit(page, f"http://127.0.0.1:{cable.port}")
    made.listen()
    yield made
    await context.close()
