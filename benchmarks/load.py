"""The load generator, a process of its own: it prepares every request, waits for a line, sends, and tells how it went.

It reads a `Load` as one line of JSON, answers `ready` once all bodies are made, begins at the next line, and writes a `Sent`.
Plain bytes over plain sockets: what it uses of the machine is taken from what is measured.
"""

import asyncio
import itertools
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, cast

import msgspec
import uvloop

from benchmarks.synthetic import Shoppers

HOST: Final = "127.0.0.1"
ANSWER_SECONDS: Final = 60.0


class Load(msgspec.Struct, frozen=True):
    """What to send: a GraphQL `document` on so many connections at once, each with one request under way.

    With `tokens` it is sent as it is, each connection taking its share of them in turn. With `rewards`, `events` times at most, they are
    redeemed by the `spenders` in turn, each time with a key of its own. Else it records the events of
    `Shoppers(members)` from `start` on, `events` of them at most, `batch` a request; a member's events take one connection,
    so that they come in order. Ends after `seconds` (0: when there is nothing left) or when a connection has nothing left.
    """

    port: int
    document: str
    clients: int
    seconds: float
    key: str = ""
    members: int = 0
    start: int = 0
    events: int = 0
    batch: int = 1
    tokens: tuple[str, ...] = ()
    rewards: tuple[str, ...] = ()
    spenders: tuple[str, ...] = ()


class Sent(msgspec.Struct, frozen=True):
    """How it went. `cpu_seconds` are those of the load generator, the preparation left out; latencies are in ms."""

    requests: int
    events: int
    seconds: float
    cpu_seconds: float
    reply_bytes: int
    p50: float
    p99: float
    again: int = 0
    """Requests that were sent once more, as the service could not do them in time; their latency counts from the first time."""


class _Failed(Exception):
    """A reply that is no success; nothing is worth measuring then."""


class _Lane(asyncio.Protocol):
    """One connection: sends the next request when the reply to the last one is whole."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.latencies: list[float] = []
        self.reply_bytes = 0
        self.again = 0
        self.deadline = float("inf")
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._reply = bytearray()
        self._length = 0
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def go(self) -> None:
        """Send the next request, or finish; True in `done` says that there was nothing left."""
        self._begun = time.perf_counter()
        request = next(self._requests, None) if self._begun < self.deadline else b""
        if request:
            self._request = request
            self._transport.write(request)
        else:
            self.done.set_result(request is None)

    def data_received(self, data: bytes) -> None:
        self._reply += data
        if not self._length:
            head = self._reply.find(b"\r\n\r\n")
            if head < 0:
                return
            self._length = head + 4 + _content_length(bytes(self._reply[:head]))
        if len(self._reply) < self._length:
            return
        if b'"TryAgainError"' in self._reply[:400]:
            # What a client does; where a machine has other work, a batch can be too much for its deadline.
            self.again += 1
            self._reply.clear()
            self._length = 0
            self._transport.write(self._request)
            return
        self.latencies.append(time.perf_counter() - self._begun)
        self.reply_bytes += self._length
        if b'"errors"' in self._reply or b"Error" in self._reply[:400] or b'"refused":[{' in self._reply[-400:]:
            self._fail(self._reply[:600].decode(errors="replace"))
            return
        self._reply.clear()
        self._length = 0
        self.go()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the service closed a connection: {exc}")

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(_Failed(why))


def _content_length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 200 "):
        raise _Failed(head.decode(errors="replace"))
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise _Failed("a reply without content-length")


def requests_of(load: Load) -> list[list[bytes]]:
    """Each connection's requests, ready to be sent; those for tokens are to be repeated."""
    if load.tokens:
        body = msgspec.json.encode({"query": load.document})
        return [[_request(body, token) for token in load.tokens[lane :: load.clients]] for lane in range(load.clients)]
    if load.rewards:
        return [_redemptions(load, lane) for lane in range(load.clients)]
    lanes: list[list[dict[str, object]]] = [[] for _ in range(load.clients)]
    for event in Shoppers(load.members).events(load.start, load.events):
        lanes[zlib.crc32(event["member"].encode()) % load.clients].append(event)
    return [
        [_record(load, lane[start : start + load.batch]) for start in range(0, len(lane), load.batch)] for lane in lanes
    ]


def _redemptions(load: Load, lane: int) -> list[bytes]:
    """What a connection sends: a member's redemptions take one connection, so that they do not wait for one another."""
    members = itertools.cycle(load.spenders[lane :: load.clients])
    made = []
    for number in range(load.start + lane, load.start + load.events, load.clients):
        given = {
            "reward": load.rewards[number % len(load.rewards)],
            "member": next(members),
            "idempotencyKey": f"bench-{number}",
        }
        made.append(_request(msgspec.json.encode({"query": load.document, "variables": {"input": given}}), load.key))
    return made


def _record(load: Load, events: Sequence[object]) -> bytes:
    body = msgspec.json.encode({"query": load.document, "variables": {"input": {"events": events}}})
    return _request(body, load.key)


def _request(body: bytes, credential: str) -> bytes:
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {credential}\r\n"
        "Content-Type: application/json\r\nAccept: application/graphql-response+json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _run(load: Load) -> Sent:
    prepared = requests_of(load)
    loop = asyncio.get_running_loop()
    lanes: list[_Lane] = []
    for requests in prepared:
        supply = itertools.cycle(requests) if load.tokens else iter(requests)
        _, lane = await loop.create_connection(lambda supply=supply: _Lane(supply), HOST, load.port)  # type: ignore[misc]
        lanes.append(lane)
    print("ready", flush=True)
    sys.stdin.readline()
    begun, cpu = time.perf_counter(), time.process_time()
    for lane in lanes:
        lane.deadline = begun + load.seconds if load.seconds else float("inf")
        lane.go()
    for lane in lanes:
        if await asyncio.wait_for(lane.done, load.seconds + ANSWER_SECONDS) and load.seconds:
            # The others would go on with fewer beside them: what counts is how it was with all.
            for other in lanes:
                other.deadline = 0.0
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    latencies = sorted(each for lane in lanes for each in lane.latencies)
    return Sent(
        requests=len(latencies),
        events=0 if load.tokens else _events_in(prepared, lanes),
        seconds=seconds,
        cpu_seconds=cpu,
        reply_bytes=sum(lane.reply_bytes for lane in lanes),
        p50=1_000 * latencies[len(latencies) // 2],
        p99=1_000 * latencies[len(latencies) * 99 // 100],
        again=sum(lane.again for lane in lanes),
    )


def _events_in(prepared: Sequence[Sequence[bytes]], lanes: Sequence[_Lane]) -> int:
    """How many events the answered requests held; the last of a connection may have been short."""
    return sum(
        request.count(b'"occurredAt"')
        for requests, lane in zip(prepared, lanes, strict=True)
        for request in requests[: len(lane.latencies)]
    )


def main() -> None:
    """Do one load."""
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(_run(load))).decode(), flush=True)


if __name__ == "__main__":
    main()
