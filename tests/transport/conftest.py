from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.transport.sample import serving


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/graphql"


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url.removesuffix("/graphql"), timeout=15) as client:
        yield client
