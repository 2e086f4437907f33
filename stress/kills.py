"""F1: the API process is killed in the middle of feeding, at random moments and between COMMIT and reply; and the demo is."""

import asyncio
import json
import random
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from stress.clients import Sender, feed, finish, sender
from stress.grocery import Event, Grocer, differences, founded, shopping
from stress.processes import Api, children, command, defects, environment, kill, run
from stress.report import Report
from stress.servers import Both, both, open_folder

REQUEST_EVENTS = 5
WAIT_SECONDS = 60.0


def kill_api(seed: int, kills: int = 40, per_kill: int = 120) -> Report:
    """F1: kill -9 of the API process in the middle of feeding, then again until everything is told."""
    with both() as servers:
        api = Api(servers, "api")
        try:
            return asyncio.run(_kill_api(servers, api, seed, kills, per_kill))
        finally:
            api.stop()


async def _kill_api(servers: Both, api: Api, seed: int, kills: int, per_kill: int) -> Report:
    report = Report(f"{kills} kills at random moments of a feed, and one between COMMIT and reply")
    await api.start()
    killed, quiet = await founded(servers, "killed"), await founded(servers, "quiet")
    events = shopping(seed, 40, (kills + 1) * per_kill)
    *portions, last = [events[start : start + per_kill] for start in range(0, len(events), per_kill)]
    chance, restarts = random.Random(seed), list[tuple[bool, float]]()
    async with sender(killed, api.url) as told:
        for portion in portions:
            restarts.append(await _killed_once(api, told, portion, chance))
        in_between = told.replays
        await _killed_before_reply(servers, api, killed, told, last)
        replays = told.replays
        await feed(told, events)
    async with sender(quiet, api.url) as undisturbed:
        await feed(undisturbed, events)
    for each in (killed, quiet):
        await finish(each, api.url)
    report.holds(
        "kills while requests were in flight", sum(middle for middle, _ in restarts), "at least half", _most(restarts)
    )
    report.told("committed and unanswered when killed, of the random ones", f"{in_between} events")
    report.equal("of the one between COMMIT and reply", f"{replays - in_between} events", f"{len(last)} events")
    report.within(
        "a repeat answered, once the process had started again, at worst", max(waited for _, waited in restarts), 1
    )
    await _compare(report, killed, quiet, told, events)
    report.equal("defects in the log", defects(api.log), [])
    return report


async def _killed_once(api: Api, told: Sender, portion: Sequence[Event], chance: random.Random) -> tuple[bool, float]:
    """Feed a portion, during which the process is killed and started again; whether
    requests were in flight, and how long a repeat then waited for its answer.
    """
    before = len(told.log)
    feeding = asyncio.create_task(feed(told, portion, size=REQUEST_EVENTS))
    after = chance.randrange(0, len(portion) // REQUEST_EVENTS // 3)
    while len(told.log) - before < after and not feeding.done():  # noqa: ASYNC110 — answers come in another task.
        await asyncio.sleep(0.001)
    # Up to as long as a request takes, so that every moment of one has its turn.
    usual = statistics.median(each.seconds for each in told.log[-50:]) if told.log else 0.05
    await asyncio.sleep(chance.uniform(0.0, usual))
    in_flight = not feeding.done()
    api.kill()
    killed = time.monotonic()
    await api.start()
    started = time.monotonic()
    await feeding
    answers = (each.at + each.seconds for each in told.log if each.code == "OK" and each.at + each.seconds > killed)
    return in_flight, max(0.0, min(answers, default=started) - started)


def _most(restarts: Sequence[tuple[bool, float]]) -> bool:
    return sum(middle for middle, _ in restarts) >= len(restarts) / 2


async def _killed_before_reply(servers: Both, api: Api, killed: Grocer, told: Sender, events: Sequence[Event]) -> None:
    """Kill the process when it has committed and waits for the boards, which a frozen Redis keeps from it, to reply."""
    with servers.valkey.frozen():
        asking = asyncio.create_task(told.record(events))
        sql = "SELECT count(*) FROM event WHERE program_id = $1 AND id = ANY($2)"
        ids, give_up = [each["id"] for each in events], time.monotonic() + WAIT_SECONDS
        while (await killed.rows(sql, ids))[0][0] < len(ids):
            assert time.monotonic() < give_up
            await asyncio.sleep(0.005)
        api.kill()
        assert (await asking).code != "OK", "the reply came before the kill"
    await api.start()
    await told.record_until_taken(events)


async def _compare(report: Report, killed: Grocer, quiet: Grocer, told: Sender, events: Sequence[Event]) -> None:
    stored, booked, ids = await killed.stored_ids(), await killed.effects(), [each["id"] for each in events]
    report.equal("acknowledged and lost", len(set(told.acknowledged) - set(stored)), 0)
    report.equal("events stored, each once", (len(stored), len(set(stored))), (len(ids), len(ids)))
    report.equal("bookings, each once", sorted(booked) == sorted(ids), wanted=True)
    report.equal("events of which a repeat said something else", len(told.contradictions), 0)
    report.equal("events refused", len(told.refused), 0)
    outcomes = [await each.outcomes(of_one_order=True) for each in (killed, quiet)]
    report.equal("differences from the undisturbed feed", differences(*outcomes), "none")
    report.equal("engagement verify", killed.verify(), "killed: 40 members, no difference.")


def kill_demo(seed: int, kills: int = 3, households: int = 80) -> Report:
    """F1: kill -9 in the middle of `engagement demo`: of its service, or of itself with all its servers; then again until done."""
    report = Report(f"{kills} kills in the middle of `engagement demo`, of its service and of itself in turn")
    chance = random.Random(seed)
    with open_folder() as folder:
        quiet, killed = folder / "quiet", folder / "killed"
        undisturbed = _demo(quiet, households)
        events = undisturbed["events in the program"]
        for number in range(kills):
            _kill_demo(killed, households, events, chance.uniform(0.0, 0.5), itself=number % 2 == 1)
        again = _demo(killed, households)
        known = again.pop("of them known before")
        undisturbed.pop("of them known before")
        report.holds("events known from the killed runs", known, "some, not all", 0 < known < again["events sent"])
        report.equal("what the demo says in the end", again, undisturbed)
        said = run("verify", "--program", "grocer", "--data", str(killed))
        report.equal("engagement verify", said.stdout.strip(), f"grocer: {households} members, no difference.")
    return report


def _arguments(data: Path, households: int) -> tuple[str, ...]:
    return ("demo", "--once", "--members", str(households), "--port", "0", "--data", str(data))


def _demo(data: Path, households: int) -> dict[str, int]:
    """What a whole run says, save its speed."""
    done = run(*_arguments(data, households))
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"│\s+(.+?)\s+│\s+([\d,]+) │$", done.stdout, re.MULTILINE)
    found = {name: int(count.replace(",", "")) for name, count in rows}
    found.pop("events per second, through the API")
    return found


def _kill_demo(data: Path, households: int, events: int, share: float, *, itself: bool) -> None:
    """Start a demo and kill it, or its service, once it has recorded that share of the events that are still missing."""
    with subprocess.Popen(
        command(*_arguments(data, households)), env=environment({}), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        give_up = time.monotonic() + WAIT_SECONDS
        while not (serving := children(process.pid, "serve")):
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.01)
        asyncio.run(_feeding(data, process, events, share))
        kill(process.pid if itself else serving[0])
        _, said = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == (-signal.SIGKILL if itself else 1), (process.returncode, said)


async def _feeding(data: Path, process: "subprocess.Popen[bytes]", events: int, share: float) -> None:
    """Wait until the demo has recorded what no run before it had, and that share of the rest."""
    sockets = json.loads((data / "servers.lock").read_text())["sockets"]
    connection = await asyncpg.connect(host=sockets, user="engagement_app", database="engagement")
    try:
        await connection.execute("SET app.program = '*'")
        program = await connection.fetchval("SELECT id FROM program WHERE key = 'grocer'")
        await connection.execute(f"SET app.program = '{program}'")
        first = stored = await connection.fetchval("SELECT count(*) FROM event")
        while stored <= first + share * (events - first):
            assert process.poll() is None, "it was done before it could be killed"
            await asyncio.sleep(0.01)
            stored = await connection.fetchval("SELECT count(*) FROM event")
    finally:
        await connection.close()
