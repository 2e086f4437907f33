"""`engagement demo`: a year of a real grocer's customers, fed through the API, to look around in."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from achievements import periods
from engagement.actions.export import totals
from engagement.actions.programs import Applied, Sandbox
from engagement.api.pages import Shown, built
from engagement.cli import baskets, shopping
from engagement.cli.api_key import make_key
from engagement.cli.apply import apply_directly, tell
from engagement.cli.client import Client
from engagement.cli.documents import read_program
from engagement.cli.feeding import Event, Fed, advance, progress_bar, send
from engagement.cli.hosting import hosted
from engagement.cli.options import DEFAULT_DATA, DataOption
from engagement.cli.replaying import EPOCH
from engagement.cli.session import Servers, database, program_named, servers
from engagement.cli.stopping import Stop
from engagement.records import credentials
from engagement.records.export import Totals
from engagement.records.unit import ALL, Database

GROCER: Final = Path(__file__).parents[2] / "examples" / "grocer.yaml"
SCOPES: Final = frozenset({"events:write", "members:read", "boards:read", "rewards:write", "clock:write"})
SHOWN_MEMBERS: Final = 6

_TOLD: Final = (
    "... on RecordEventsSuccess { receipts { effects { __typename ... on PointsEarned { points source } "
    "... on StreakChanged { streak current } ... on ChallengeProgressed { challenge objectives { current target } } } } "
    "refused { message } }"
)
_BOARD: Final = """query Top {
  program { now }
  leaderboard(key: "all-time", first: 10) { entries { rank member score } }
}"""

_console = Console(highlight=False)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Show what happened and end, instead of going on serving.")
    ] = False,
    members: Annotated[
        int | None, typer.Option("--members", min=1, metavar="N", help="Only the first N of 2,469 households.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to serve; 0 for any free port.")] = 8000,
    data: DataOption = None,
) -> None:
    """Start everything with a real shopping history: a year, 2,469 households, 155,848 baskets, in a sandbox program `grocer`.

    Every basket goes through the GraphQL API. Then it says what happened, and goes on serving for you to look around. Running
    it again changes nothing: every event is known by its id.

    Example: engagement demo --once --members 200
    """
    if not GROCER.exists():
        raise Stop(f"{GROCER} is missing: the demo runs from a source tree.")
    with servers(data) as found:
        key, applied, begun = asyncio.run(_prepare(found))
        tell("grocer", applied.changes)
        events = baskets.events(members)
        shown = _shown(events)
        with hosted(found, port, shown if built() else None) as service:
            if built():
                _console.print(f"Watch it happen at {_page(service.url)}", soft_wrap=True)
            seconds, fed = asyncio.run(_feed(service.url, key, events, shown.members[1:], begun))
            top = asyncio.run(_report(found, service.url, key, fed, seconds))
            if once:
                return
            _invite(service.url, key, top, data)
            service.wait()


async def _prepare(found: Servers) -> tuple[str, Applied, str]:
    """The program, a key for it, and the month (`2017-05`) that an earlier run had begun; nothing where there was none."""
    async with database(found.database_url) as opened:
        applied = await apply_directly(opened, read_program(GROCER), Sandbox(EPOCH))
        latest = (await totals(opened, (await program_named(opened, "grocer")).id)).latest
        return await _key(opened, found.data), applied, "" if latest is None else f"{latest:%Y-%m}"


async def _key(opened: Database, data: Path | None) -> str:
    """The key that an earlier run left beside the servers' data, while it is good; else a new one."""
    kept = None if data is None else data / "demo.key"
    if kept is not None:
        with suppress(FileNotFoundError):
            held = kept.read_text().strip()
            known = await opened.run(lambda unit: credentials.find(unit, held), ALL)
            if known is not None and known.scopes >= SCOPES:
                return held
    made = await make_key(opened, "grocer", "demo", SCOPES)
    if kept is not None:
        _keep(kept, made)
    return made


def _shown(events: list[Event]) -> Shown:
    """What the page shows: those who spend most, who will lead the board, and those who come most often."""
    visits = Counter(str(event["member"]) for event in events)
    # Both in turn, each once.
    ranked = zip(shopping.spending(events).most_common(SHOWN_MEMBERS), visits.most_common(SHOWN_MEMBERS), strict=True)
    members = dict.fromkeys(member for pair in ranked for member, _ in pair)
    return Shown("grocer", "all-time", tuple(members)[:SHOWN_MEMBERS])


def _page(url: str) -> str:
    return url.removesuffix("graphql")


def _keep(file: Path, secret: str) -> None:
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, f"{secret}\n".encode())
    finally:
        os.close(descriptor)


async def _feed(url: str, key: str, events: list[Event], savers: Sequence[str], begun: str) -> tuple[float, Fed]:
    """Send everything month by month, with what members take at the end of each, then let the year end; how many seconds the events took.

    Where an earlier run was cut off, months before the one that it had `begun` have had their end: whoever had not the points then may
    have them now. Where it came to the end of the year, all have.
    """
    fed, seconds, end = Fed(), 0.0, periods.rfc3339(baskets.END)
    async with Client(url, key) as client:
        over = periods.rfc3339((await client.ask("{ program { now } }"))["program"]["now"]) >= end
        with progress_bar() as bar:
            task = bar.add_task("Feeding", total=len(events))
            for month, together in groupby(events, key=lambda event: str(event["occurredAt"])[:7]):
                portion, started = list(together), time.monotonic()
                await send(client, portion, fed, lambda count: bar.advance(task, count))
                seconds += time.monotonic() - started
                if not over and month >= begun:
                    await shopping.redeem(client, month, portion)
        if not over:
            await shopping.save(client, savers)
            await advance(client, end)
    return seconds, fed


async def _report(found: Servers, url: str, key: str, fed: Fed, seconds: float) -> list[dict[str, Any]]:
    """Print what happened; the top ten."""
    async with Client(url, key) as client:
        answer = await client.ask(_BOARD)
    async with database(found.database_url) as opened:
        program = await program_named(opened, "grocer")
        sums = await totals(opened, program.id)
    top: list[dict[str, Any]] = answer["leaderboard"]["entries"]
    _console.print(_happened(sums, fed, seconds, answer["program"]["now"]))
    board = Table(title="Top ten of the year", title_justify="left")
    for column, side in (("rank", "right"), ("member", "left"), ("points", "right")):
        board.add_column(column, justify="right" if side == "right" else "left")
    for entry in top:
        board.add_row(str(entry["rank"]), entry["member"], f"{entry['score']:,}")
    _console.print(board)
    for refusal in fed.refusals:
        _console.print(f"refused {refusal}", markup=False, soft_wrap=True)
    if fed.replayed == fed.taken:
        _console.print("Every event was known from an earlier run, so nothing changed.")
    return top


def _happened(sums: Totals, fed: Fed, seconds: float, now: str) -> Table:
    rate = fed.taken / seconds if seconds else 0.0
    table = Table(title=f"Corner Grocer, as of {now}", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for label, count in (
        ("events sent", fed.taken + fed.refused),
        ("  of them known before", fed.replayed),
        ("events per second, through the API", round(rate)),
        ("events in the program", sums.events),
        ("members", sums.members),
        ("points issued", sums.points),
        ("  of them expired", sums.expired),
        ("  of them spent", sums.spent),
        ("rewards taken", sums.redemptions),
        ("badge levels awarded", sums.badges),
        ("challenge completions", sums.completions),
    ):
        table.add_row(label, f"{count:,}")
    return table


def _invite(url: str, key: str, top: list[dict[str, Any]], data: Path | None) -> None:
    """Print commands to paste."""
    member = top[0]["member"]
    program = Path(sys.argv[0])
    command = "engagement" if program.stem == "main" else str(program)
    where = "" if data in (None, DEFAULT_DATA) else f" --data {data}"
    at = "" if url == "http://127.0.0.1:8000/graphql" else f" --url {url}"
    event = (
        '{id: \\"hello-\'$(date +%s)\'\\", member: \\"'
        + member
        + '\\", type: \\"purchase\\", properties: {amount: \\"120.00\\"}}'
    )
    pages = f" The page is {_page(url)}, GraphiQL {_page(url)}graphiql." if built() else ""
    lines = f"""
Serving at {url} until Ctrl-C.{pages} In another terminal:

# A member's screen, as her app would ask for it:
curl -s {url} -H 'Content-Type: application/json' \\
  -H "Authorization: Bearer $({command} token --program grocer --member {member}{where})" \\
  -d '{{"query": "{{ me {{ externalId wallets {{ balance }} streaks {{ key current longest }} badges {{ key level }} }} }}"}}'

# The same for people:
{command} query --member {member} --key {key}{at}

# Her updates, live:
{command} watch --member {member} --key {key}{at}

# An event that moves it:
curl -s {url} -H 'Content-Type: application/json' -H 'Authorization: Bearer {key}' \\
  -d '{{"query": "mutation {{ recordEvents(input: {{events: [{event}]}}) {{ __typename {_TOLD} }} }}"}}'
"""
    _console.print(lines, markup=False, soft_wrap=True)
