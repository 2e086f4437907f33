"""Teams: making them, who is in which, and telling members that a team of theirs has met its target.

In which team somebody is is a fact of hers, from the program's present on. What her team has come to is added up with what she does
(`Changes.save`), where it is also seen that the target is met; each of those who have given their share is then told in a
transaction of her own. A row stays open until then, so whoever comes after a crash tells her.
"""

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from achievements import periods
from achievements.challenges import Challenge, ChallengeReady
from achievements.parts import NAME_CHARACTERS_MAX
from achievements.rulebook import Rules
from achievements.teams import TEAM, TEAM_TARGET_MET
from achievements.values import ID_CHARACTERS_MAX, Amount
from engagement.actions.programs import Loaded, Programs
from engagement.actions.telling import check_member, listen
from engagement.errors import InvalidInput, NotFound
from engagement.records import teams
from engagement.records.teams import Given, Team, Untold
from engagement.records.unit import Database, Unit

SIZE_MAX = 200
"""Members of a team: what they give is added up anew whenever one of them gives."""
TEAMS_MAX = 100_000
"""Of one program; of so many, requests at the same time may make a few more."""
AT_ONCE = 100
TELL_SECONDS = 120.0
"""She may have a long history to be counted anew first."""


class CreateTeam(msgspec.Struct, frozen=True):
    """A team by the app's own id, and its name."""

    team: str
    name: str


class JoinTeam(msgspec.Struct, frozen=True):
    """Who (the app's own id), and which team; None to leave the one that she is in."""

    member: str
    team: str | None


class TeamCreated(msgspec.Struct, frozen=True):
    """A team, and whether it was made by this."""

    team: Team
    created: bool
    replayed: bool = False


class TeamJoined(msgspec.Struct, frozen=True):
    """In which team a member is, and since when; None where she is in none. `changed` where it was otherwise before."""

    member: str
    team: str | None
    at: datetime
    since: datetime | None
    changed: bool
    replayed: bool = False


class TeamProgress(msgspec.Struct, frozen=True):
    """How far a team is in the present window of a challenge, and what each of its members has given there."""

    challenge: str
    name: str
    period: str
    current: Amount
    target: int
    ends_at: datetime | None
    met_at: datetime | None
    given: tuple[Given, ...]


class TeamShown(msgspec.Struct, frozen=True):
    """A team with its members (the app's own ids, and since when), and how far it is."""

    team: Team
    members: tuple[tuple[str, datetime], ...]
    challenges: tuple[TeamProgress, ...]


async def create(
    database: Database, cache: Programs, program_id: int, command: CreateTeam, *, principal: str, key: str | None
) -> TeamCreated:
    """Make a team; one that is there already stays as it is. Raises `InvalidInput`, and what `Database.perform` raises."""
    _check_team(command.team)
    if not 1 <= len(command.name) <= NAME_CHARACTERS_MAX or not command.name.isprintable():
        raise InvalidInput(f"A name is 1 to {NAME_CHARACTERS_MAX} printable characters.", "name")

    async def work(unit: Unit) -> TeamCreated:
        loaded = await cache.load(unit)
        created = await teams.create(unit, command.team, command.name, loaded.now, TEAMS_MAX)
        team = await teams.find(unit, command.team)
        if team is None:
            raise InvalidInput(f"The program has {TEAMS_MAX} teams, which is the most.", "team")
        return TeamCreated(team, created)

    done, replayed = await database.perform(
        work,
        program_id,
        principal=principal,
        operation="createTeam",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(TeamCreated).decode,
    )
    return TeamCreated(done.team, done.created, replayed)


async def join(
    database: Database, cache: Programs, program_id: int, command: JoinTeam, *, principal: str, key: str | None
) -> TeamJoined:
    """Let a member be in a team from the program's present on, and in no other; one of whom nothing was heard is made known by it.

    What she has given to another stays there. Raises `NotFound` where there is no such team, `InvalidInput` where it is full, and
    for what is no member's id; and what `Database.perform` raises.
    """
    check_member(command.member)
    if command.team is not None:
        _check_team(command.team)
    done, replayed = await database.perform(
        lambda unit: _join(unit, cache, command),
        program_id,
        principal=principal,
        operation="leaveTeam" if command.team is None else "joinTeam",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(TeamJoined).decode,
    )
    return TeamJoined(done.member, done.team, done.at, done.since, done.changed, replayed)


async def _join(unit: Unit, cache: Programs, command: JoinTeam) -> TeamJoined:
    listener = await listen(unit, cache, command.member)
    held = listener.state.team
    if (None if held is None else held[0]) == command.team:
        return TeamJoined(command.member, command.team, listener.at, None if held is None else held[1], changed=False)
    if command.team is not None:
        team = await teams.find(unit, command.team, lock=True)
        if team is None:
            raise NotFound("There is no team of that id; `createTeam` makes one.", "team")
        if team.size >= SIZE_MAX:
            raise InvalidInput(f"The team has {SIZE_MAX} members, which is the most.", "team")
    await listener.tell(TEAM, {"team": command.team})
    since = None if command.team is None else listener.at
    teams.put(unit, listener.id, command.team, listener.at)
    await listener.save()
    return TeamJoined(command.member, command.team, listener.at, since, changed=True)


def _check_team(team: str) -> None:
    if not 1 <= len(team) <= ID_CHARACTERS_MAX or not team.isprintable():
        raise InvalidInput(f"An id is 1 to {ID_CHARACTERS_MAX} printable characters.", "team")


async def settle(database: Database, cache: Programs, program_id: int) -> int:
    """Tell those who have to be told that a team of theirs has met its target; how many there were. Any number may do so at once."""

    async def waiting(unit: Unit) -> list[Untold]:
        challenges = [each.key for each, _ in _together(await cache.load(unit))]
        return await teams.untold(unit, challenges, AT_ONCE) if challenges else []

    count = 0
    while found := await database.run(waiting, program_id, read_only=True):
        for each in found:
            work = functools.partial(_tell, cache=cache, found=each)
            await database.run(work, program_id, deadline_seconds=TELL_SECONDS)
        count += len(found)
    return count


async def _tell(unit: Unit, cache: Programs, found: Untold) -> None:
    await unit.take_time(TELL_SECONDS)
    listener = await listen(unit, cache, found.external_id, patient=True)
    # A challenge may have been paused since: then she is told once it goes on.
    lives = found.challenge in {each.key for each, _ in _together(listener.loaded)}
    if lives and await teams.close(unit, found):
        data = {"challenge": found.challenge, "period": found.period, "window": found.window, "team": found.team}
        await listener.tell(TEAM_TARGET_MET, data)
        await listener.save()


class _Window(NamedTuple):
    challenge: Challenge
    ready: ChallengeReady


def _together(loaded: Loaded) -> list[_Window]:
    """The challenges of teams that are in force."""
    rules: Rules | None = loaded.rulebook.at(loaded.now)
    if rules is None:
        return []
    found = []
    for each in rules.program.sections.get("challenges", ()):
        ready = rules.by_name[f"challenges/{each.key}"]
        lives = any(ready.name == name for name, _ in rules.by_fact.get(TEAM_TARGET_MET, ()))
        if isinstance(each, Challenge) and isinstance(ready, ChallengeReady) and each.team is not None and lives:
            found.append(_Window(each, ready))
    return found


async def read(unit: Unit, loaded: Loaded, team_id: str) -> TeamShown:
    """A team as it stands, in the windows of the program's own zone. Raises `NotFound`."""
    team = None if "\0" in team_id else await teams.find(unit, team_id)
    if team is None:
        raise NotFound("This program has no team of that id.", "team")
    local, now = loaded.rulebook.program_time, loaded.now
    windows = {
        (each.key, "" if ready.repeat == "once" else periods.name(ready.span.calendar, ready.window(now, local))): (
            each,
            ready,
        )
        for each, ready in _together(loaded)
    }
    asked = list(windows)
    come = {(each.challenge, each.period): each for each in (await teams.standings(unit, [team_id], asked))[team_id]}
    given: Sequence[Given] = await teams.given(unit, team_id, asked) if asked else ()
    progress = tuple(
        TeamProgress(
            challenge.key,
            challenge.title,
            window[1],
            come[window].total if window in come else 0,
            ready.targets[0],
            ready.ends_at(now, local),
            come[window].met_at if window in come else None,
            tuple(each for each in given if each[:2] == window),
        )
        for window, (challenge, ready) in windows.items()
    )
    return TeamShown(team, tuple(await teams.members(unit, team_id)), progress)
