import logging

import httpx
import pytest
from strawberry.types import ExecutionResult

from tests.transport.sample import SCHEMA


async def errors_of(client: httpx.AsyncClient, query: str) -> list[dict[str, object]]:
    response = await client.post("/graphql", json={"query": query})
    assert response.status_code == 200
    errors: list[dict[str, object]] = response.json()["errors"]
    return errors


async def test_a_refusal_is_told_as_it_is(client: httpx.AsyncClient) -> None:
    [error] = await errors_of(client, "{refused}")
    assert error["message"] == "The name is too long."
    assert error["extensions"] == {"code": "INVALID_INPUT", "retryable": False, "field": "input.name"}
    assert error["path"] == ["refused"]
    [error] = await errors_of(client, "{busy}")
    assert error["extensions"] == {"code": "IN_PROGRESS", "retryable": True, "field": None}


@pytest.mark.parametrize(("field", "secret"), [("crash", "the secret of the database"), ("nothing", "non-nullable")])
async def test_a_defect_is_hidden_and_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, field: str, secret: str
) -> None:
    with caplog.at_level(logging.ERROR):
        [error] = await errors_of(client, f"{{{field}}}")
    extensions = error["extensions"]
    assert isinstance(extensions, dict)
    assert extensions["code"] == "INTERNAL_SERVER_ERROR"
    assert secret not in str(error)
    [record] = [each for each in caplog.records if each.name == "engagement.api.failures"]
    assert extensions["id"] in record.getMessage()
    assert record.exc_info
    assert secret in str(record.exc_info[1])


async def test_a_refusal_is_not_logged(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await errors_of(client, "{refused absent}")
        await errors_of(client, "{refused}")
    assert not [each for each in caplog.records if each.name.startswith(("engagement", "strawberry"))]


async def test_the_rest_of_the_answer_stands(client: httpx.AsyncClient) -> None:
    response = await client.post("/graphql", json={"query": "{hello crash refused}"})
    assert response.json()["data"] == {"hello": "hello world", "crash": None, "refused": None}
    assert len(response.json()["errors"]) == 2


async def test_errors_of_a_document_are_not_multiplied(client: httpx.AsyncClient) -> None:
    absent = " ".join(f"absent{number}" for number in range(200))
    assert len(await errors_of(client, f"{{tree{{{absent}}}}}")) == 20


async def test_names_are_not_suggested(client: httpx.AsyncClient) -> None:
    [error] = await errors_of(client, "{hell}")
    assert "hello" not in str(error)


async def test_errors_are_coded_without_a_transport_too() -> None:
    result = await SCHEMA.execute("{crash}")
    assert result.errors
    assert (result.errors[0].extensions or {})["code"] == "INTERNAL_SERVER_ERROR"
    async for item in await SCHEMA.stream("{crash}"):
        assert isinstance(item, ExecutionResult)
        [error] = item.errors or []
        assert (error.extensions or {})["code"] == "INTERNAL_SERVER_ERROR"
