"""What goes on while a fault happens: servers that report events, somebody who reads, and phones that follow members."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from stress.clients import (
    CLIENT_SECONDS,
    OK,
    TOP,
    UNREACHABLE,
    Asked,
    Follower,
    Sender,
    caught_up,
    feed,
    finish,
    followers,
    lanes,
    sender,
)
from stress.grocery import Event, Grocer, differences, founded, shopping
from stress.processes import Api, defects
from stress.report import Report
from stress.servers import Both

WRITERS: Final = 6
REQUEST_EVENTS: Final = 5
READ_EVERY_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 0.05
PAUSE_SECONDS: Final = 0.05
"""Between two requests of a writer: a shop that is busy, not one that cannot keep up."""
EVENTS: Final = 60_000
"""More than are sent."""
MEMBERS: Final = 30
FOLLOWED: Final = 5
_UNANSWERED: Final = {"NO_ANSWER", UNREACHABLE}
_RETRYABLE: Final = {"UNAVAILABLE", "OUTCOME_UNKNOWN", "OVERLOADED", "IN_PROGRESS"}


@dataclass
class Traffic:
    """Traffic of one program through one API process. Whatever is sent is sent again until it is taken."""

    grocer: Grocer
    api: Api
    told: Sender
    phones: list[Follower]
    requests: list[list[list[Event]]]
    sent: list[Event] = field(default_factory=list)
    reads: list[Asked] = field(default_factory=list)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Traffic until the block ends; then each writer finishes what it is at."""
        stop = asyncio.Event()
        writers = [asyncio.create_task(self._write(lane, stop)) for lane in self.requests]
        reader = asyncio.create_task(self._read(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*writers, reader)

    async def _write(self, lane: list[list[Event]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            request = lane.pop(0)
            self.sent += request
            while (await self.told.record(request)).code != OK:  # noqa: ASYNC110 — only another try can tell.
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                reply = (await self.told.http.post(self.api.url, json={"query": TOP})).json()
                error = reply["errors"][0]["extensions"] if reply.get("errors") else {"code": OK}
            except httpx.TransportError:
                error = {"code": UNREACHABLE, "retryable": True}
            asked = Asked(begun, time.monotonic() - begun, error["code"], bool(error.get("retryable")))
            self.reads.append(asked)
            await asyncio.sleep(READ_EVERY_SECONDS)

    def waits(self, begun: float, ended: float) -> tuple[list[Asked], list[Asked]]:
        """The mutations and the queries that had no answer yet at some moment of this stretch of time."""
        mutations, queries = (
            [each for each in log if each.at < ended and each.at + each.seconds > begun]
            for log in (self.told.log, self.reads)
        )
        return mutations, queries

    def tell_waits(self, report: Report, waits: tuple[list[Asked], list[Asked]], wanted_seconds: float) -> None:
        """How long the answers to these took at most."""
        for kind, asked in zip(("mutations", "queries"), waits, strict=True):
            report.told(f"{kind} meanwhile", len(asked))
            longest = max(asked, key=lambda each: each.seconds, default=None)
            name = f"the longest wait for an answer to one{'' if longest is None else f' ({longest.code})'}"
            report.within(name, None if longest is None else longest.seconds, wanted_seconds)

    def first_success(self, after: float) -> float | None:
        """How long after a moment the first mutation was answered with a success; None where none was."""
        answered = [each.at + each.seconds for each in self.told.log if each.code == OK]
        return min((at - after for at in answered if at > after), default=None)

    async def some_success(self, after: float) -> None:
        """Wait for the first success after a moment, where it comes at all."""
        give_up = time.monotonic() + CLIENT_SECONDS
        while self.first_success(after) is None:
            if time.monotonic() > give_up:
                return
            await asyncio.sleep(0.05)

    def tell_answers(self, report: Report) -> None:
        """Every request had an answer, and that is a success or a clear error which asks for a repeat."""
        every = [*self.told.log, *self.reads]
        codes = self.told.codes()
        report.told("answers to mutations", ", ".join(f"{count} {code}" for code, count in sorted(codes.items())))
        other = {each.code for each in every if each.code != OK and (each.code not in _RETRYABLE or not each.retryable)}
        report.equal("answers that were no success and no retryable refusal", sorted(other), [])
        report.equal("requests without an answer", sum(each.code in _UNANSWERED for each in every), 0)

    async def conclude(self, report: Report) -> None:
        """Nothing is lost, doubled or otherwise than in a feed that nobody disturbed; nobody who follows has a gap."""
        report.within("until the phones had caught up", await caught_up(self.grocer, self.phones), 6)
        report.equal(
            "gaps in what the phones saw", [each.out_of_order for each in self.phones if each.out_of_order], []
        )
        resets = sum(len(each.resets) for each in self.phones)
        report.equal("resets, the first one of each phone included", resets, len(self.phones))
        report.told("connections that the phones needed", sum(each.connections for each in self.phones))
        stored, ids = await self.grocer.stored_ids(), sorted(each["id"] for each in self.sent)
        report.equal("acknowledged and lost", len(set(self.told.acknowledged) - set(stored)), 0)
        report.equal("events stored, each once", sorted(stored) == ids, wanted=True)
        report.equal("bookings, each once", sorted(await self.grocer.effects()) == ids, wanted=True)
        report.equal("events of which a repeat said something else", len(self.told.contradictions), 0)
        await self._compare(report)
        report.equal("defects in the log", defects(self.api.log), [])

    async def _compare(self, report: Report) -> None:
        quiet = await founded(self.grocer.servers, "quiet")
        async with sender(quiet, self.api.url) as undisturbed:
            await feed(undisturbed, sorted(self.sent, key=lambda each: str(each["id"])), WRITERS, 100)
        for each in (self.grocer, quiet):
            await finish(each, self.api.url)
        outcomes = [await each.outcomes(of_one_order=True) for each in (self.grocer, quiet)]
        report.equal("differences from an undisturbed feed", differences(*outcomes), "none")
        said = self.grocer.verify().rpartition(", ")[2]
        report.equal("engagement verify", said, "no difference.")


@asynccontextmanager
async def traffic(servers: Both, api: Api, seed: int, name: str) -> AsyncIterator[Traffic]:
    """A new program with some members, of whom some are followed."""
    grocer = await founded(servers, name)
    events = shopping(seed, MEMBERS, EVENTS)
    members = sorted({each["member"] for each in events})[:FOLLOWED]
    requests = lanes(events, WRITERS, REQUEST_EVENTS)
    async with sender(grocer, api.url) as told:
        sent = [each for lane in requests for request in lane[:12] for each in request]
        for lane in requests:
            for request in lane[:12]:
                await told.record_until_taken(request)
            del lane[:12]
        told.log.clear()
        async with followers(grocer, api.url, members) as phones:
            yield Traffic(grocer, api, told, phones, requests, sent)
