"""A page of another origin: it may use the API with a token that it has, and nothing else of the service."""

from tests.api.conftest import House
from tests.web.conftest import Visit

ASK = """async ([url, token]) => {
  const headers = {"Content-Type": "application/json", Authorization: `Bearer ${token}`};
  const answer = await fetch(url, {method: "POST", headers, body: JSON.stringify({query: "{ me { externalId } }"})});
  return [await answer.json(), answer.headers.get("X-Request-Id") !== null];
}"""


async def elsewhere(visit: Visit) -> None:
    """Stand on a page that is of another origin by its host's name, and has no policy of its own."""
    await visit.page.goto(f"{visit.url.replace('127.0.0.1', 'localhost')}/live")


async def test_a_page_elsewhere_asks_with_a_token(shop: House, visit: Visit) -> None:
    await shop.bought("anna", "e1", 50)
    await elsewhere(visit)
    answered = await visit.page.evaluate(ASK, [f"{visit.url}/graphql", shop.token("anna")])
    assert answered == [{"data": {"me": {"externalId": "anna"}}}, True]
    # What says no to her says so to the page, too.
    (refused, _) = await visit.page.evaluate(ASK, [f"{visit.url}/graphql", "none"])
    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_page_elsewhere_gets_no_token_of_the_demo(visit: Visit) -> None:
    await elsewhere(visit)
    ask = "url => fetch(url, {method: 'POST'}).then(() => 'read', () => 'refused')"
    assert await visit.page.evaluate(ask, f"{visit.url}/demo/session") == "refused"
