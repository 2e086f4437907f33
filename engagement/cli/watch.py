"""`engagement watch`: a member's updates as they come."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, Final

import msgspec
import typer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from engagement.cli.client import CONNECT_SECONDS, PROGRAM_HEADER, told
from engagement.cli.options import DEFAULT_URL, KeyOption, UrlOption
from engagement.cli.stopping import Stop

SILENCE_SECONDS: Final = 60.0
"""The service speaks every 25 seconds, if only to say that it is there; a connection silent for longer is lost."""
WAIT_SECONDS_MAX: Final = 10.0
_REFUSED: Final = frozenset({4400, 4401, 4403, 4406, 4409, 4429})
"""Codes with which the service closes a socket that will fare no better next time."""

WATCH: Final = """subscription Watch($after: String, $member: ID) {
  memberUpdates(after: $after, member: $member) {
    __typename
    ... on Heartbeat { cursor }
    ... on Reset { cursor reason member { externalId wallets { currency balance } streaks { key current } badges { key level } } }
    ... on ActivityItem { cursor at eventId effects { ...Told ... on OutcomeWithdrawn { outcome { ...Told } } } }
  }
}
fragment Told on Effect {
  __typename
  ... on PointsEarned { currency points source }
  ... on PointsExpired { currency points }
  ... on PointsSpent { currency points source times }
  ... on SpendRejected { currency points missing source }
  ... on PointsReleased { currency points }
  ... on PointsHeld { hold currency points source endsAt }
  ... on HoldEnded { hold currency points source state }
  ... on PointsAdjusted { currency change reason }
  ... on PointsTransferred { currency change }
  ... on MemberMerged { former }
  ... on MemberUnmerged { other }
  ... on RedemptionChanged { redemption reward redemptionState }
  ... on BenefitChanged { benefit sort key count source benefitState until }
  ... on DrawWon { draw place entry }
  ... on BadgeAwarded { badge level name }
  ... on StreakChanged { streak current longest broken restores }
  ... on StreakAtRisk { streak current endsAt }
  ... on ChallengeProgressed { challenge period objectives { current target } }
  ... on ChallengeCompleted { challenge period }
  ... on MilestoneReached { challenge period milestone }
  ... on TeamContributed { challenge period team amount target }
  ... on RewardGiven { sort key source until }
  ... on TierChanged { ladder from to qualifying }
  ... on LeaderboardScored { leaderboard period group score rank }
  ... on PrizeWon { leaderboard period group rank contenders }
  ... on ReferralQualified { referral referrer }
  ... on EventConfirmed { confirmation confirmed }
}"""


def watch(
    member: Annotated[
        str | None, typer.Option("--member", metavar="ID", help="Whose updates; not needed with her own token.")
    ] = None,
    after: Annotated[str | None, typer.Option("--after", metavar="CURSOR", help="Go on after this update.")] = None,
    program: Annotated[
        str | None, typer.Option("--program", metavar="KEY", help="The program, for an operator's key.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """Print a member's updates as they come, one JSON object a line, until Ctrl-C.

    A lost connection is made again and goes on after the last update seen: nothing is missed, nothing comes twice.

    Example: engagement watch --member H0012 --key ek_…
    """
    asyncio.run(_follow(_Feed(url, key, program, member), after))


class _Feed:
    """The subscription of one member, by one credential."""

    def __init__(self, url: str, key: str | None, program: str | None, member: str | None) -> None:
        self._url = "ws" + url.removeprefix("http")
        self._payload = {"Authorization": f"Bearer {key}"} if key else {}
        if program:
            self._payload[PROGRAM_HEADER] = program
        self._member = member
        self._key = key

    async def updates(self, after: str | None) -> AsyncGenerator[dict[str, Any], None]:
        """Updates after a cursor, over one connection, until that is lost; Stop where the service refuses."""
        async with connect(
            self._url,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            open_timeout=CONNECT_SECONDS,
            close_timeout=1.0,
            proxy=None,
        ) as socket:
            try:
                await self._begin(socket, after)
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        message = msgspec.json.decode(await socket.recv())
                    match message["type"]:
                        case "next":
                            yield self._update(message["payload"])
                        case "error":
                            self._fail(message["payload"])
                        case "complete":
                            return
                        case "ping":
                            await _say(socket, {"type": "pong"})
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code in _REFUSED:
                    raise Stop(
                        f"The service refused the subscription: {closed.rcvd.reason or closed.rcvd.code}"
                    ) from closed

    async def _begin(self, socket: ClientConnection, after: str | None) -> None:
        await _say(socket, {"type": "connection_init", "payload": self._payload})
        async with asyncio.timeout(CONNECT_SECONDS):
            while msgspec.json.decode(await socket.recv())["type"] != "connection_ack":
                pass
        variables = {"after": after, "member": self._member}
        await _say(socket, {"id": "1", "type": "subscribe", "payload": {"query": WATCH, "variables": variables}})

    def _update(self, result: Mapping[str, Any]) -> dict[str, Any]:
        if errors := result.get("errors"):
            self._fail(errors)
        update: dict[str, Any] = result["data"]["memberUpdates"]
        return update

    def _fail(self, errors: list[dict[str, Any]]) -> None:
        """Stop, or (where the service says that it may go better later) end the connection for another try."""
        if all(each.get("extensions", {}).get("retryable") for each in errors):
            raise ConnectionError(told(errors, self._key))
        raise Stop(told(errors, self._key))


async def _follow(feed: _Feed, after: str | None) -> None:
    """Print updates for ever; a connection that cannot be made the first time ends it."""
    seen, failures = False, 0
    while True:
        try:
            async with contextlib.aclosing(feed.updates(after)) as updates:
                async for update in updates:
                    seen, after, failures = True, update["cursor"], 0
                    if update["__typename"] != "Heartbeat":
                        print(msgspec.json.encode(update).decode(), flush=True)
        except (OSError, InvalidHandshake) as error:
            if not seen:
                raise Stop(f"No subscription to be had there: {error}") from error
        except InvalidURI as error:
            raise Stop(f"--url: {error}") from error
        if failures == 0:
            print("The connection is lost; trying again.", file=sys.stderr)
        # Full jitter: watchers that were cut off together do not come back together.
        await asyncio.sleep(random.uniform(0.1, min(WAIT_SECONDS_MAX, 0.5 * 2 ** min(failures, 5))))  # noqa: S311
        failures += 1


async def _say(socket: ClientConnection, message: Mapping[str, Any]) -> None:
    await socket.send(msgspec.json.encode(message).decode())
