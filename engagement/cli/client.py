"""Calling the GraphQL API over HTTP: bounded waits, repeats where a repeat is safe, and errors as sentences."""

import asyncio
import random
from collections.abc import Container, Mapping, Sequence
from typing import Any, Final, Self

import httpx
import msgspec

from engagement.cli.stopping import Stop

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
ATTEMPTS: Final = 6
PROGRAM_HEADER: Final = "Engagement-Program"
_KEYLESS: Final = "Give one with --key (engagement api-key create …, or engagement token …)."


class Client:
    """One service, one credential. Use it as `async with`; connections are kept alive between calls.

    `program` names the program an operator's key is for; other credentials say it themselves.
    """

    def __init__(self, url: str, key: str | None, program: str | None = None) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if program:
            headers[PROGRAM_HEADER] = program
        self.url = url
        self._key = key
        # A service on this machine is not asked through a proxy meant for the web.
        self._http = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS), trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(
        self, document: str, variables: Mapping[str, Any] | None = None, *, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """The `data` of a reply; Stop for a reply with errors, and where none came within `seconds`."""
        answer = await self.exchange(document, variables, seconds=seconds)
        if errors := answer.get("errors"):
            raise Stop(told(errors, self._key))
        data: dict[str, Any] = answer["data"]
        return data

    async def exchange(
        self, document: str, variables: Mapping[str, Any] | None = None, *, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """A whole reply, `data` and `errors` as they came; Stop where none came."""
        try:
            return await self._exchange(document, variables, seconds)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Stop(f"{self.url} cannot be reached: {str(error) or type(error).__name__}") from error

    async def _exchange(self, document: str, variables: Mapping[str, Any] | None, seconds: float) -> dict[str, Any]:
        content = msgspec.json.encode({"query": document, "variables": variables or {}})
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        response = await self._http.post(self.url, content=content, timeout=timeout)
        try:
            answer = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            answer = None
        if not isinstance(answer, dict) or not answer.keys() & {"data", "errors"}:
            raise Stop(
                f"{self.url} is no GraphQL service: it answered {response.status_code} {response.reason_phrase}."
            )
        return answer

    async def settle(
        self,
        document: str,
        variables: Mapping[str, Any],
        field: str,
        *,
        seconds: float = ANSWER_SECONDS,
        also: Container[str] = (),
    ) -> dict[str, Any]:
        """The success of a mutation that is safe to repeat: it is, while the service asks for that or cannot be reached.

        Stop for any other member of the result union, but for those that are an answer `also`.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                # Full jitter: those who were turned away together do not come back together.
                await asyncio.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 — no secret.
            last = attempt == ATTEMPTS - 1
            try:
                answer = await self._exchange(document, variables, seconds)
            except httpx.TransportError as error:
                if last:
                    raise Stop(f"{self.url} cannot be reached: {str(error) or type(error).__name__}") from error
                continue
            errors = answer.get("errors") or []
            if errors and (last or not all(each.get("extensions", {}).get("retryable") for each in errors)):
                raise Stop(told(errors, self._key))
            result: dict[str, Any] = {} if errors else answer["data"][field]
            typename = result.get("__typename", "")
            if typename.endswith("Success") or typename in also:
                return result
            if not errors and (last or result["__typename"] != "TryAgainError"):
                raise Stop(refused(result))
        raise AssertionError("the last attempt returns or raises")


def told(errors: Sequence[Mapping[str, Any]], key: str | None) -> str:
    """GraphQL errors as lines; where a credential is wanted and the command had no `key`, also how to give one."""
    lines = [_described(each) for each in errors]
    if key is None and any(each.get("extensions", {}).get("code") == "UNAUTHENTICATED" for each in errors):
        lines.append(_KEYLESS)
    return "\n".join(lines)


def _described(error: Mapping[str, Any]) -> str:
    """A GraphQL error as a sentence, with its code and its place."""
    code = error.get("extensions", {}).get("code")
    path = ".".join(str(each) for each in error.get("path") or ())
    return f"{path + ': ' if path else ''}{error.get('message')}{f' ({code})' if code else ''}"


def refused(result: Mapping[str, Any]) -> str:
    """A `UserError` of a result union: a line for each mistake, or its message."""
    if mistakes := result.get("mistakes"):
        return "\n".join(f"{each['path']}: {each['message']}" for each in mistakes)
    field = result.get("field")
    return f"{field + ': ' if field else ''}{result.get('message')} ({result.get('code')})"
