"""What applying a document that counts the past would change for members: tried on all of them, and printed before it is done."""

import asyncio
from typing import Any, Final
from uuid import UUID

import msgspec
from rich.console import Console
from rich.markup import escape

from achievements.recounts import Losing, Sum
from engagement.actions import jobs, previews
from engagement.actions.previews import Preview
from engagement.actions.programs import Programs
from engagement.cli.client import Client
from engagement.cli.stopping import Stop
from engagement.records import programs
from engagement.records.unit import ALL, Database
from engagement.worker import KINDS

LOOK_SECONDS: Final = 0.5
SHOWN_MEMBERS: Final = 10

_ASK = """mutation Preview($input: PreviewProgramInput!) {
  previewProgram(input: $input) {
    __typename
    ... on PreviewProgramSuccess { job { id } }
    ... on InvalidProgramError { mistakes { path message } }
    ... on UserError { code message field }
  }
}"""
_LOOK = """query Look($id: ID!) {
  job(id: $id) { state problem endedAt }
  programPreview(job: $id) {
    revision members gaining losing
    definitions {
      definition gaining losing gained lost pointsGained { currency points } pointsLost { currency points }
    }
    listed { member count outcomes }
  }
}"""

_console = Console(highlight=False, soft_wrap=True)


async def preview_directly(opened: Database, program: str, document: dict[str, Any]) -> UUID:
    """Try a document on the database, whether or not a worker is there; its job. It is printed."""
    found = await opened.run(lambda unit: programs.find(unit, program), ALL, read_only=True)
    assert found is not None, "who has members is there"
    who, cache = found.id, Programs()
    job = await previews.ask(opened, who, document)
    asked = job.id
    while not job.ended:
        if not await jobs.do_next(opened, cache, who, KINDS):
            await asyncio.sleep(LOOK_SECONDS)
        job = await opened.run(lambda unit: jobs.read(unit, asked), who, read_only=True)
    if job.state != "done":
        raise Stop(f"{program}: the preview {job.state}: {job.problem or 'somebody ended it'}")
    tell(msgspec.convert(job.result, Preview))
    return job.id


async def preview_remotely(client: Client, program: str, document: dict[str, Any]) -> UUID:
    """Try a document through a service, as the client's key may; its job. It is printed."""
    asked = await client.settle(_ASK, {"input": {"document": document}}, "previewProgram")
    job_id = asked["job"]["id"]
    while (found := await client.ask(_LOOK, {"id": job_id}))["job"]["endedAt"] is None:  # noqa: ASYNC110 — a service ends it.
        await asyncio.sleep(LOOK_SECONDS)
    job, result = found["job"], found["programPreview"]
    if result is None:
        raise Stop(f"{program}: the preview {job['state'].lower()}: {job['problem'] or 'somebody ended it'}")
    sums = tuple(_sum(each) for each in result["definitions"])
    tell(
        Preview(
            result["revision"],
            result["members"],
            result["gaining"],
            result["losing"],
            sums,
            msgspec.convert(result["listed"], tuple[Losing, ...]),
        )
    )
    return UUID(job_id)


def _sum(found: dict[str, Any]) -> Sum:
    gained, lost = (
        {each["currency"]: int(each["points"]) for each in found[name]} for name in ("pointsGained", "pointsLost")
    )
    return Sum(
        found["definition"], found["gaining"], found["losing"], int(found["gained"]), int(found["lost"]), gained, lost
    )


def tell(found: Preview) -> None:
    """Print what a document would change for members."""
    _console.print(
        f"It counts the past of {found.members:,} members: {found.gaining:,} gain by it, and of {found.losing:,} something"
        " would vanish, which they keep but with --take-back."
    )
    for each in found.definitions:
        _console.print(f"  {each.definition}")
        if each.gained:
            _console.print(f"    [green]+[/] {_counted(each.gaining, each.gained, each.points_gained)}")
        if each.lost:
            _console.print(f"    [red]-[/] {_counted(each.losing, each.lost, each.points_lost)}")
    for losing in found.listed[:SHOWN_MEMBERS]:
        more = "" if losing.count <= len(losing.outcomes) else f", and {losing.count - len(losing.outcomes):,} more"
        _console.print(escape(f"  {_printable(losing.member)}: {'; '.join(losing.outcomes)}{more}"))
    if found.losing > SHOWN_MEMBERS:
        _console.print(f"  … and {found.losing - SHOWN_MEMBERS:,} members more")


def _counted(members: int, outcomes: int, points: dict[str, int]) -> str:
    sums = "".join(f", {many:,} {currency}" for currency, many in sorted(points.items()))
    return f"{members:,} members, {outcomes:,} outcomes{sums}"


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)
