"""The thread that starts the servers of one DIR, starts again what dies, and stops them."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from engagement.embedded.places import CannotStart, Places, Programs
from engagement.embedded.processes import (
    DURABILITY,
    ENSURE_ROLES,
    Process,
    Server,
    check_version,
    clear,
    create_cluster,
    end_of_log,
    launch,
    postgresql,
    psql,
    stop,
    sweep,
    valkey,
)

log = logging.getLogger(__name__)

STARTING_SECONDS = 600.0  # after a crash PostgreSQL first replays up to max_wal_size; one that ended is noticed at once
LOOK_SECONDS = 0.1  # between two looks at what runs
STEADY_SECONDS = 10.0  # one that lived for so long is started again at once
PAUSE_SECONDS = (0.5, 5.0)  # before one that did not live so long is started again: at first, and at most


class Keeper:
    """Keeps both servers running from `start` until `stop`.

    All of it is done by one thread that lives as long as they do: the kernel sends the parent-death signal when the
    *thread* that started a child ends, and what one thread does one after another cannot race.
    """

    def __init__(self, places: Places, ours: Programs) -> None:
        """Of `places`; `ours` are the programs that we ourselves can run."""
        self._places = places
        self._ours = ours
        self._kept = [_Kept(places, postgresql(places, ours)), _Kept(places, valkey(places))]
        self._leaving = threading.Event()
        self._started: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="embedded-servers", daemon=False)

    def start(self) -> None:
        """Wait until both servers are ready, whatever an earlier run left. Raises `CannotStart`."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Wait until both servers and everything else in our folders have ended; afterwards nothing is started again."""
        self._leaving.set()
        self._thread.join()
        self._ended.result()

    def _run(self) -> None:
        _do(self._start, self._started)
        if self._started.exception() is None:
            self._watch()
        _do(self._end, self._ended)

    def _start(self) -> None:
        places = self._places
        clear(places)
        if not places.cluster.exists():
            create_cluster(places)
        check_version(places.cluster)
        for each in self._kept:
            each.launch()
        database, board = self._kept
        deadline = time.monotonic() + STARTING_SECONDS
        while (
            result := psql(self._ours, places.sockets, "postgres", ENSURE_ROLES)
        ).returncode == 2:  # no connection (yet)
            self._wait_for(database, deadline)
        durability = psql(self._ours, places.sockets, "engagement_app", DURABILITY)
        if result.returncode != 0 or durability.stdout.strip() != "on on":
            told = f"{result.stderr}{durability.stdout}{durability.stderr}"
            raise CannotStart(f"PostgreSQL is not as it should be: {told}")
        while not board.server.answers():
            self._wait_for(board, deadline)
        for each in self._kept:
            each.answered = True

    def _wait_for(self, kept: "_Kept", deadline: float) -> None:
        """Wait a moment. Raises `CannotStart` if the server has ended, `deadline` has passed or the owner leaves."""
        name = kept.server.name
        if kept.process is not None and kept.process.poll() is not None:
            raise CannotStart(f"{name} ended while it started: {end_of_log(self._places, name)}")
        if time.monotonic() > deadline:
            told = end_of_log(self._places, name)
            raise CannotStart(f"{name} was not ready within {STARTING_SECONDS:.0f} s: {told}")
        if self._leaving.wait(0.01):
            raise CannotStart(f"{name} was no longer wanted while it started")

    def _watch(self) -> None:
        # A program that ends without leaving its block must not be kept from it by this thread.
        while not self._leaving.wait(LOOK_SECONDS) and threading.main_thread().is_alive():
            for each in self._kept:
                try:
                    each.look()
                except Exception:
                    # Whatever it was (no memory, no processes left), it may pass, and nobody else would try again.
                    log.exception("%s could not be started; it is tried again", each.server.name)

    def _end(self) -> None:
        """Stop both and everything else in our folders."""
        stop(self._places, self._places.home)
        for each in self._kept:
            if each.process is not None:
                each.process.wait()
        if self._places.sockets.parent != self._places.home:
            shutil.rmtree(self._places.sockets.parent, ignore_errors=True)


class _Kept:
    """A server and its process, if it has one."""

    def __init__(self, places: Places, server: Server) -> None:
        self.server = server
        self.process: Process | None = None
        self.answered = False
        self._places = places
        self._begun = self._due = self._pause = 0.0

    def launch(self) -> None:
        """Start it, without waiting until it answers."""
        server = self.server
        self._begun, self.answered = time.monotonic(), False
        self.process = launch(self._places, server.name, server.death, server.command)

    def look(self) -> None:
        """Start it again if it has died, after a pause where it dies again and again."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            if not self.answered and self.server.answers():
                self.answered = True
                log.warning("%s answers again, %.1f s after it was started", self.server.name, now - self._begun)
            return
        if self.process is not None:
            self._lost(self.process.returncode, now)
        if now >= self._due:
            self._due = now + self._pause
            sweep(self._places, self.server)
            self.launch()

    def _lost(self, status: int, now: float) -> None:
        shortest, longest = PAUSE_SECONDS
        steady = self.answered and now - self._begun > STEADY_SECONDS
        self._due = now + (0.0 if steady else self._pause)
        self._pause = shortest if steady else min(max(2 * self._pause, shortest), longest)
        self.process = None
        told = (self.server.name, status, self._due - now, self._places.home / f"{self.server.name}.log")
        log.warning("%s ended with status %d; it is started again in %.1f s (its log is %s)", *told)


def _do(work: Callable[[], None], told: "Future[None]") -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - handed to who waits in another thread
        told.set_exception(error)
    else:
        told.set_result(None)
