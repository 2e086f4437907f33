"""Teams: who is in them, what their members have given in each window of a challenge, and when that met its target.

What a member gives is written with her other outcomes; here it is added up, under the lock of what the team has come to.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from achievements.outcomes import Contributed
from engagement.records.rows import columns_of
from engagement.records.unit import Unit


class Team(msgspec.Struct, frozen=True):
    """A team by the app's own id, and how many members it has."""

    id: str
    name: str
    created_at: datetime
    size: int


class Standing(msgspec.Struct, frozen=True):
    """What a team has come to in a window of a challenge, and when that met the target; None where it has not."""

    challenge: str
    period: str
    total: Decimal
    met_at: datetime | None


class Given(NamedTuple):
    """What a member (the app's own id) has given to a team in a window of a challenge."""

    challenge: str
    period: str
    member: str
    amount: Decimal


class Untold(msgspec.Struct, frozen=True):
    """A member who has given her share to a team that met its target, and does not know yet."""

    member_id: UUID
    external_id: str
    challenge: str
    period: str
    since: datetime
    team: str
    window: int


_TOLD = (
    "EXISTS (SELECT 1 FROM team_share AS told WHERE told.program_id = $1 AND told.member_id = given.member_id"
    " AND told.challenge = given.challenge AND told.period = given.period)"
)
"""That a member was told in a window of a challenge that a team has met its target: once, whichever teams she gave to."""
_TEAM = (
    "SELECT held.id, held.name, held.created_at, (SELECT count(*) FROM team_member WHERE program_id = $1 AND team = held.id)"
    " FROM team AS held WHERE held.program_id = $1"
)


async def create(unit: Unit, team: str, name: str, at: datetime, at_most: int) -> bool:
    """Make a team; False where there is one of that id, or `at_most` already."""
    made = await unit.fetchval(
        "WITH made AS (INSERT INTO team (program_id, id, name, created_at) SELECT $1, $2, $3, $4"
        " WHERE (SELECT count(*) FROM team WHERE program_id = $1) < $5 ON CONFLICT (program_id, id) DO NOTHING RETURNING 1) SELECT count(*) FROM made",
        unit.program,
        team,
        name,
        at,
        at_most,
    )
    return bool(made)


async def find(unit: Unit, team: str, *, lock: bool = False) -> Team | None:
    """A team by its id; locked, so that its size stays what it is, until the unit ends."""
    if lock:
        await unit.fetchval("SELECT 1 FROM team WHERE program_id = $1 AND id = $2 FOR UPDATE", unit.program, team)
    row = await unit.fetchrow(f"{_TEAM} AND held.id = $2", unit.program, team)
    return None if row is None else Team(*row)


async def page(unit: Unit, after: str | None, first: int) -> list[Team]:
    """Teams by their ids, from the one after `after` on."""
    rows = await unit.fetch(
        f"{_TEAM} AND ($2::text IS NULL OR held.id > $2) ORDER BY held.id LIMIT $3", unit.program, after, first
    )
    return [Team(*row) for row in rows]


async def members(unit: Unit, team: str) -> list[tuple[str, datetime]]:
    """Who is in a team (the app's own ids), and since when; the longest first."""
    rows = await unit.fetch(
        "SELECT member.external_id, held.since FROM team_member AS held JOIN member"
        " ON member.program_id = $1 AND member.id = held.member_id WHERE held.program_id = $1 AND held.team = $2"
        " ORDER BY held.since, member.external_id",
        unit.program,
        team,
    )
    return [(row["external_id"], row["since"]) for row in rows]


async def team_of(unit: Unit, external_id: str) -> str | None:
    """The team that a member is in."""
    found: str | None = await unit.fetchval(
        "SELECT held.team FROM team_member AS held JOIN member ON member.program_id = $1"
        " AND coalesce(member.merged_into, member.id) = held.member_id WHERE held.program_id = $1 AND member.external_id = $2",
        unit.program,
        external_id,
    )
    return found


def put(unit: Unit, member_id: UUID, team: str | None, since: datetime) -> None:
    """Write in which team a member is from now on, or that she is in none. Ask under her lock."""
    if team is None:
        unit.write("DELETE FROM team_member WHERE program_id = $1 AND member_id = $2", unit.program, member_id)
        return
    unit.write(
        "INSERT INTO team_member (program_id, member_id, team, since) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (program_id, member_id) DO UPDATE SET team = excluded.team, since = excluded.since",
        unit.program,
        member_id,
        team,
        since,
    )


async def add_up(unit: Unit, changed: Sequence[Contributed], at: datetime) -> None:
    """Add up anew what the teams have come to whose members gave more, or less, and see whether that met the target.

    Once it did, it has: `at` is when. Who has given her share then, or does so later, is to be told.
    """
    if not changed:
        return
    windows = {(each.team, each.challenge, each.period): each.target for each in changed}
    asked = [(*window, target) for window, target in sorted(windows.items())]
    await unit.execute(
        "INSERT INTO team_standing (program_id, team, challenge, period)"
        " SELECT $1, asked.team, asked.challenge, asked.period FROM unnest($2::text[], $3::text[], $4::text[])"
        " AS asked (team, challenge, period) ON CONFLICT (program_id, team, challenge, period)"
        " DO UPDATE SET total = team_standing.total",
        unit.program,
        *columns_of(asked, 4)[:3],
    )
    # Each statement sees what was committed before it: behind the lock, all that others have given.
    await unit.execute(
        "UPDATE team_standing AS held SET total = come.total,"
        " met_at = coalesce(held.met_at, CASE WHEN come.total >= come.target THEN $6::timestamptz END) FROM ("
        " SELECT asked.team, asked.challenge, asked.period, asked.target, coalesce(sum(given.amount), 0) AS total"
        " FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS asked (team, challenge, period, target)"
        " LEFT JOIN contribution AS given ON given.program_id = $1 AND given.challenge = asked.challenge"
        " AND given.period = asked.period AND given.team = asked.team"
        " GROUP BY asked.team, asked.challenge, asked.period, asked.target) AS come"
        " WHERE held.program_id = $1 AND held.team = come.team AND held.challenge = come.challenge AND held.period = come.period",
        unit.program,
        *columns_of(asked, 4),
        at,
    )
    await unit.execute(
        "UPDATE contribution AS given SET open = true FROM unnest($2::text[], $3::text[], $4::text[])"
        " AS asked (team, challenge, period) JOIN team_standing AS held ON held.program_id = $1 AND held.team = asked.team"
        " AND held.challenge = asked.challenge AND held.period = asked.period AND held.met_at IS NOT NULL"
        " WHERE given.program_id = $1 AND given.challenge = asked.challenge AND given.period = asked.period"
        f" AND given.team = asked.team AND given.amount >= given.minimum AND NOT given.open AND NOT {_TOLD}",
        unit.program,
        *columns_of(asked, 4)[:3],
    )


async def untold(unit: Unit, challenges: Sequence[str], at_most: int) -> list[Untold]:
    """Some of those who have to be told that a team met the target of one of these challenges."""
    rows = await unit.fetch(
        "SELECT given.member_id, member.external_id, given.challenge, given.period, given.since, given.team, given.window_index"
        " FROM contribution AS given JOIN member ON member.program_id = $1 AND member.id = given.member_id"
        " WHERE given.program_id = $1 AND given.open AND given.challenge = ANY($2::text[]) LIMIT $3",
        unit.program,
        list(challenges),
        at_most,
    )
    return [Untold(*row) for row in rows]


async def close(unit: Unit, found: Untold) -> bool:
    """Write that a member is told now; False where there is nothing to tell her. Ask under her lock: whoever holds it tells her alone.

    What she had given may be less by now than what is asked of each: then she is told once it is enough again.
    """
    told: int = await unit.fetchval(
        "WITH closed AS (UPDATE contribution SET open = false WHERE program_id = $1 AND member_id = $2"
        " AND challenge = $3 AND period = $4 AND since = $5 AND open RETURNING amount >= minimum AS enough),"
        " told AS (INSERT INTO team_share (program_id, member_id, challenge, period) SELECT $1, $2, $3, $4 FROM closed"
        " WHERE enough ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM told",
        unit.program,
        found.member_id,
        found.challenge,
        found.period,
        found.since,
    )
    return bool(told)


async def standings(unit: Unit, teams: Sequence[str], windows: Sequence[tuple[str, str]]) -> dict[str, list[Standing]]:
    """What each of some teams has come to in windows (challenge, period); a window in which nobody gave anything is left out."""
    rows = await unit.fetch(
        "SELECT held.team, held.challenge, held.period, held.total, held.met_at FROM team_standing AS held"
        " JOIN unnest($3::text[], $4::text[]) AS asked (challenge, period)"
        " ON held.challenge = asked.challenge AND held.period = asked.period"
        " WHERE held.program_id = $1 AND held.team = ANY($2::text[])",
        unit.program,
        list(teams),
        *columns_of(list(windows), 2),
    )
    found: dict[str, list[Standing]] = {each: [] for each in teams}
    for row in rows:
        team, *standing = row
        found[team].append(Standing(*standing))
    return found


async def given(unit: Unit, team: str, windows: Sequence[tuple[str, str]]) -> list[Given]:
    """What members have given to a team in windows (challenge, period), the most first."""
    rows = await unit.fetch(
        "SELECT given.challenge, given.period, member.external_id, sum(given.amount) AS amount FROM contribution AS given"
        " JOIN unnest($3::text[], $4::text[]) AS asked (challenge, period)"
        " ON given.challenge = asked.challenge AND given.period = asked.period"
        " JOIN member ON member.program_id = $1 AND member.id = given.member_id"
        " WHERE given.program_id = $1 AND given.team = $2 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3",
        unit.program,
        team,
        *columns_of(list(windows), 2),
    )
    return [Given(*row) for row in rows]


class Wrong(NamedTuple):
    """What is stored of a team of a member's in a window of a challenge, and what follows from what was given."""

    member_id: UUID
    what: str
    stored: str
    expected: str


async def wrong(unit: Unit, member_ids: Sequence[UUID]) -> list[Wrong]:
    """Where a team of some members has come to something else than they gave, has met its target unseen, or left somebody untold."""
    rows = await unit.fetch(_WRONG, unit.program, list(member_ids))
    found = []
    for row in rows:
        what = f"team {row['team']} {row['challenge']} {row['period']}".rstrip()
        if row["total"] != row["come"]:
            found.append(Wrong(row["member_id"], what, f"{row['total']:f}", f"{row['come']:f}"))
        if row["unseen"]:
            found.append(Wrong(row["member_id"], what, "not met", "met"))
        if row["untold"]:
            found.append(Wrong(row["member_id"], what, "told nothing", "told that it is met"))
    return found


async def told(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, set[tuple[str, str]]]:
    """In which windows (challenge, period) members were told that a team of theirs has met its target."""
    rows = await unit.fetch(
        "SELECT member_id, challenge, period FROM team_share WHERE program_id = $1 AND member_id = ANY($2::uuid[])",
        unit.program,
        list(member_ids),
    )
    found: dict[UUID, set[tuple[str, str]]] = {who: set() for who in member_ids}
    for row in rows:
        found[row["member_id"]].add((row["challenge"], row["period"]))
    return found


_WRONG = f"""
SELECT given.member_id, given.team, given.challenge, given.period, coalesce(held.total, 0) AS total, come.total AS come,
       held.met_at IS NULL AND come.total >= given.target AS unseen,
       held.met_at IS NOT NULL AND given.amount >= given.minimum AND NOT given.open AND NOT {_TOLD} AS untold
FROM contribution AS given CROSS JOIN LATERAL (
    SELECT sum(amount) AS total FROM contribution AS other WHERE other.program_id = $1
    AND other.challenge = given.challenge AND other.period = given.period AND other.team = given.team
) AS come LEFT JOIN team_standing AS held ON held.program_id = $1 AND held.team = given.team
    AND held.challenge = given.challenge AND held.period = given.period
WHERE given.program_id = $1 AND given.member_id = ANY($2::uuid[]) ORDER BY 1, 2, 3, 4
"""
