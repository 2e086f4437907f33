"""Work on all cores: processes of our own that take tasks, answer, and end with us.

A worker is made in each process, once, by a function and arguments that can be pickled; then it is called with a task at a time.
A process whose owner is gone, killed or not, finds its pipe closed and ends.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from multiprocessing import connection
from types import TracebackType
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_ENDING_SECONDS = 5.0


class CoreFailed(Exception):
    """A worker raised; the message is its traceback."""


class Cores(Generic[Task, Answer]):
    """So many processes, of which each makes its worker while the owner goes on; to be used as a context.

    `niceness` is added to theirs, so that what else the machine does goes first.
    """

    def __init__(
        self,
        make: Callable[..., Callable[[Task], Answer]],
        arguments: tuple[Any, ...],
        count: int | None = None,
        niceness: int = 0,
    ) -> None:
        # Forked from us they would inherit threads' locks, and sockets that are not theirs: they are forked from a process
        # that has imported what they need, and nothing else.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", make.__module__])
        self._processes = []
        self._pipes: list[connection.Connection] = []
        for _ in range(count or available()):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make, arguments, niceness), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def __enter__(self) -> "Cores[Task, Answer]":
        """The same; the processes work already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes: those at work are interrupted where they are."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            if kind is not None:
                process.terminate()
            process.join(_ENDING_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    def __len__(self) -> int:
        """How many processes there are."""
        return len(self._pipes)

    def ask(self, position: int, task: Task) -> Answer:
        """The answer of one of the processes to a task; CoreFailed as in `answers`. For a thread that asks that process alone."""
        pipe = self._pipes[position]
        try:
            pipe.send(task)
        except OSError as error:
            raise CoreFailed("a process ended before it was asked") from error
        answer: Answer = _answer(pipe)
        return answer

    def interrupt(self) -> None:
        """End the processes where they are; whoever waits for an answer hears of it as CoreFailed."""
        for process in self._processes:
            process.terminate()

    def answers(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """The answers to tasks, in the order in which they are there; tasks are taken as processes come free.

        CoreFailed where a worker raised, or a process is gone.
        """
        waiting = iter(tasks)
        busy: set[connection.Connection] = set()
        for pipe in self._pipes:
            _give(pipe, waiting, busy)
        while busy:
            for pipe in _answering(busy):
                busy.discard(pipe)
                answer = _answer(pipe)
                _give(pipe, waiting, busy)
                yield answer


def available() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _answering(busy: Collection[connection.Connection]) -> list[connection.Connection]:
    """The pipes in which there is an answer, once there is one in any."""
    ready = connection.wait(list(busy))
    return [pipe for pipe in busy if pipe in ready]


def _answer(pipe: connection.Connection) -> Any:
    try:
        answer, failure = pipe.recv()
    except (EOFError, OSError) as error:
        raise CoreFailed("a process ended before it answered") from error
    if failure is not None:
        raise CoreFailed(failure)
    return answer


def _give(pipe: connection.Connection, waiting: Iterator[Any], busy: set[connection.Connection]) -> None:
    """Hand the next task to a process, where there is one."""
    for task in waiting:
        pipe.send(task)
        busy.add(pipe)
        return


def _serve(
    pipe: connection.Connection, make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...], niceness: int
) -> None:
    """What a process does: make the worker, and answer tasks until the owner closes the pipe."""
    # Ctrl-C goes to everybody in the terminal; the owner decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
    worker, failure = None, None
    try:
        worker = make(*arguments)
    except Exception:  # noqa: BLE001 — told to the owner with the first task.
        failure = traceback.format_exc()
    try:
        while True:
            task = pipe.recv()
            pipe.send((None, failure) if worker is None else _answered(worker, task))
    except (EOFError, OSError):
        # Nobody waits for an answer any more.
        return


def _answered(worker: Callable[[Any], Any], task: Any) -> tuple[Any, str | None]:
    try:
        return worker(task), None
    except Exception:  # noqa: BLE001 — told to the owner, who raises it.
        return None, traceback.format_exc()
