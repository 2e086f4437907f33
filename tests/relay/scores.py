"""Scores as commands would write them: in the tables and in the outbox, in one transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from achievements.outcomes import Scored
from achievements.ranking import Contest, Ties
from engagement.records import members, outbox, outcomes
from engagement.records.outcomes import Score
from engagement.records.unit import Database, Unit
from engagement.relay.drain import Message
from engagement.relay.placing import Gone, Place

BOARD = ("points", "2026-11")
CONTEST = Contest(*BOARD)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def score(
    database: Database,
    program_id: int,
    scores: dict[str, tuple[int, datetime]],
    version: int = 1,
    board: tuple[str, str] = BOARD,
    ties: dict[str, Ties] | None = None,
    group: str = "",
) -> dict[str, UUID]:
    """Let members (the app's own ids) have scores, and say so in the outbox; their ids."""

    async def write(unit: Unit) -> dict[str, UUID]:
        ids = (await members.enrol(unit, scores, NOON)).ids
        await outcomes.save(unit, [(ids[who], version, Scored(*board, *held, group)) for who, held in scores.items()])
        sent = tuple(Score(*board, who, ids[who], *held, version, group) for who, held in scores.items())
        outbox.publish(unit, msgspec.json.encode(Message(sent, (), dict.fromkeys(ids.values(), version), ties or {})))
        return ids

    return await database.run(write, program_id)


async def withdraw(database: Database, program_id: int, who: str, version: int) -> None:
    """Take a member's score away, and say so in the outbox."""

    async def write(unit: Unit) -> None:
        ids = await members.ids_of(unit, [who])
        await outcomes.remove(unit, [(ids[who], Scored(*BOARD, 0, NOON))])
        outbox.publish(unit, msgspec.json.encode(Message(gone=(Gone(*BOARD, who, version),))))

    await database.run(write, program_id)


async def truth(database: Database, program_id: int, board: tuple[str, str] = BOARD) -> list[Place]:
    """The whole board as the records have it."""

    async def read(unit: Unit) -> Sequence[Score]:
        return await outcomes.scores(unit, *board)

    held = await database.run(read, program_id)
    return [Place(rank, each.external_id, each.score, each.reached_at) for rank, each in enumerate(held, 1)]


async def left(database: Database, program_id: int) -> int:
    """How many messages are in the outbox."""

    async def count(unit: Unit) -> int:
        found: int = await unit.fetchval("SELECT count(*) FROM outbox")
        return found

    return await database.run(count, program_id)
