"""Requests of a program that are answered together: while a group of them is under way, others wait, and the next group takes them all.

No timer, no added delay: who comes alone is begun at once. A transaction takes hardly more turns to the server for many requests
than for one, and commits once for all of them.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar, cast

from engagement.errors import OutcomeUnknown, Overloaded, Refusal, Unavailable

GROUPS_MAX: Final = 2

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Left(NamedTuple):
    """Said of a request that its group could not answer: it is asked again in a group by itself, with those alone that are left
    with the same name. A group of one leaves nothing.
    """

    name: Hashable


class Limits(NamedTuple):
    """Of one program in one process: how much a group takes (a single request always fits), how much may wait, and how much that waits
    is worth a group beside the one under way (None: there is only one at a time).
    """

    together: int
    waiting: int
    beside: int | None = None


Take: TypeAlias = Callable[[int, Sequence[Asked]], Awaitable[Sequence[Answer | Refusal | Left]]]
"""Answers a group of requests of a program, each in its place; what it raises stands for all of them."""
Waiting: TypeAlias = tuple[Asked, asyncio.Future[Answer]]


class Gathering(Generic[Asked, Answer]):
    """A queue for each program, of requests whose `size` counts towards the limits. It belongs to one event loop."""

    def __init__(self, take: Take[Asked, Answer], limits: Limits, size: Callable[[Asked], int] = lambda _: 1) -> None:
        self._take = take
        self._limits = limits
        self._size = size
        self._queues: dict[int, deque[Waiting[Asked, Answer]]] = defaultdict(deque)
        self._waiting: dict[int, int] = defaultdict(int)
        self._draining: dict[int, set[asyncio.Task[None]]] = defaultdict(set)
        self._beside: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether nobody waits, and nothing is under way."""
        return not (any(self._waiting.values()) or any(self._draining.values()) or self._beside)

    async def ask(self, program_id: int, asked: Asked) -> Answer:
        """The answer to a request. Raises what it was refused for, what its group failed with, and `Overloaded` where too many wait."""
        size = self._size(asked)
        if self._waiting[program_id] + size > self._limits.waiting:
            raise Overloaded("Too many requests are waiting; send this one again later.")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queues[program_id].append((asked, answer))
        self._waiting[program_id] += size
        draining = self._draining[program_id]
        if self._is_worth_a_group(program_id, len(draining)):
            _start(self._drain(program_id), draining)
        return await answer

    def _is_worth_a_group(self, program_id: int, beside: int) -> bool:
        least = self._limits.beside
        return beside == 0 or (least is not None and beside < GROUPS_MAX and self._waiting[program_id] >= least)

    async def _drain(self, program_id: int) -> None:
        queue, draining = self._queues[program_id], self._draining[program_id]
        try:
            while queue and self._is_worth_a_group(program_id, len(draining) - 1):
                group = [queue.popleft()]
                size = self._size(group[0][0])
                while queue and size + self._size(queue[0][0]) <= self._limits.together:
                    size += self._size(queue[0][0])
                    group.append(queue.popleft())
                self._waiting[program_id] -= size
                await self._answer(program_id, group)
        finally:
            draining.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _answer(self, program_id: int, group: Sequence[Waiting[Asked, Answer]]) -> None:
        try:
            answers = await self._take(program_id, [asked for asked, _ in group])
        except Exception as error:  # noqa: BLE001 — handed on to whoever asked, whatever it is.
            # What one request brought about must not fail the others: each gets a group of its own.
            if len(group) > 1 and not isinstance(error, Refusal):
                for each in group:
                    await self._answer(program_id, [each])
                return
            _refuse(group, error)
            if isinstance(error, Unavailable | OutcomeUnknown):
                # Whoever waited behind a server that does not answer has waited long enough, and none of theirs was begun.
                queue = self._queues[program_id]
                _refuse(queue, Unavailable("PostgreSQL does not answer; nothing was done. Ask again later."))
                queue.clear()
                self._waiting[program_id] = 0
            return
        left: dict[Hashable, list[Waiting[Asked, Answer]]] = defaultdict(list)
        for each, answer in zip(group, answers, strict=True):
            if isinstance(answer, Left):
                left[answer.name].append(each)
            elif isinstance(answer, Refusal):
                _refuse([each], answer)
            elif not each[1].done():
                each[1].set_result(answer)
        for these in left.values():
            _start(self._answer(program_id, these), self._beside)


def _start(work: Coroutine[None, None, None], among: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work)
    among.add(task)
    task.add_done_callback(among.discard)


def _refuse(waiting: Iterable[Waiting[Asked, Answer]], error: Exception) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)
