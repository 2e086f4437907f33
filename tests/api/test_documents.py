"""A document that was seen before answers as it did the first time, and each time to its own caller."""

from tests.api.conftest import House


async def test_a_known_document_answers_each_caller_for_itself(house: House) -> None:
    await house.bought("anna", "e1", 10)
    query = "query Known($id: ID!) { member(externalId: $id) { externalId } }"
    for who, found in [("anna", True), ("nobody", False), ("anna", True)]:
        answer = await house.ask(query, {"id": who})
        assert bool(answer.get("data")) == found
    forbidden = await house.service.ask(query, {"id": "anna"})
    assert forbidden["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_what_is_wrong_stays_wrong(house: House) -> None:
    for _ in range(3):
        answer = await house.ask('{ member(externalId: "x") { nothing } }')
        assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    for _ in range(3):
        two = await house.ask("query A { __typename } query B { __typename }")
        assert two["errors"][0]["extensions"]["code"] == "OPERATION_NAME_REQUIRED"


async def test_a_limit_on_variables_holds_for_known_documents(house: House) -> None:
    query = "query Many($first: Int!) { members(first: $first) { edges { node { wallets { currency } } } } }"
    for _ in range(3):
        assert "errors" not in await house.ask(query, {"first": 5})
    assert "errors" in await house.ask(query, {"first": 100_000})
    query = "query Those($ids: [ID!]!) { nodes(ids: $ids) { id ... on Member { externalId wallets { currency } } } }"
    for _ in range(3):
        assert "errors" not in await house.ask(query, {"ids": ["a"]})
    assert "QUERY_TOO_COMPLEX" in str(await house.ask(query, {"ids": ["a"] * 20_000}))
