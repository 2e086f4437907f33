"""Teams: making them, joining and leaving them, and how far they are."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import teams
from engagement.actions.teams import CreateTeam, JoinTeam, TeamProgress, TeamShown
from engagement.api.effects import Progress
from engagement.api.pagination import InvalidCursor, PageInfo, TeamsCursor, cursor_of, page_size, place_of
from engagement.api.principals import (
    EVENTS_WRITE,
    EVENTS_WRITE_OR_OWN,
    MEMBERS_READ,
    MEMBERS_READ_OR_OWN,
    Info,
    member_of,
    mutation,
    query,
)
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Decimal, exact, written, written_or_none
from engagement.api.texts import IDEMPOTENCY_KEY, KEY, MEMBER, NAME
from engagement.errors import NotFound
from engagement.records import teams as records
from engagement.records.unit import Unit

TEAM = "The app's own id of the team."


@strawberry.type(description="Whom a team has.")
class TeamMember:
    """A member of a team."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    since: DateTime = strawberry.field(description="Since when she is in it.")


@strawberry.type(description="What a member has given to a team in a window of a challenge.")
class TeamContribution:
    """One member's part."""

    member: strawberry.ID = strawberry.field(description=f"{MEMBER} She may have left the team since.")
    amount: Decimal = strawberry.field(description="What she has given.")


@strawberry.type(description="How far a team is in the present window of a challenge.")
class TeamChallenge:
    """A challenge as a team stands in it."""

    key: str = strawberry.field(description=KEY)
    name: str = strawberry.field(description=NAME)
    period: str = strawberry.field(
        description="The present window in the program's zone, like `2026-11`; empty where there is but one."
    )
    ends_at: DateTime | None = strawberry.field(description="When the window is over; null for a lifetime.")
    progress: Progress = strawberry.field(description="What all have given together, and the target.")
    met_at: DateTime | None = strawberry.field(
        description="When that met the target, which stays met; null where it has not."
    )
    contributions: list[TeamContribution] = strawberry.field(description="What each has given, the most first.")

    @classmethod
    def of(cls, shown: TeamProgress) -> "TeamChallenge":
        """As clients read it."""
        return cls(
            key=shown.challenge,
            name=shown.name,
            period=shown.period,
            ends_at=written_or_none(shown.ends_at),
            progress=Progress.of(shown.current, shown.target),
            met_at=written_or_none(shown.met_at),
            contributions=[
                TeamContribution(member=strawberry.ID(each.member), amount=exact(each.amount)) for each in shown.given
            ],
        )


@strawberry.type(description="Members who meet targets together.")
class Team:
    """A team, without what takes a look-up of its own."""

    team: strawberry.ID = strawberry.field(description=TEAM)
    name: str = strawberry.field(description="What people call it.")
    size: int = strawberry.field(description="How many members it has.")
    created_at: DateTime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, team: records.Team) -> "Team":
        """As clients read it."""
        return cls(team=strawberry.ID(team.id), name=team.name, size=team.size, created_at=written(team.created_at))


@strawberry.type(description="A team with its members, and how far it is in each challenge of teams that is in force.")
class TeamStanding:
    """A team, whole."""

    team: Team = strawberry.field(description="The team.")
    members: list[TeamMember] = strawberry.field(description="Who is in it, the longest first.")
    challenges: list[TeamChallenge] = strawberry.field(description="How far it is, in the order of the program.")

    @classmethod
    def of(cls, shown: TeamShown) -> "TeamStanding":
        """As clients read it."""
        return cls(
            team=Team.of(shown.team),
            members=[TeamMember(member=strawberry.ID(who), since=written(since)) for who, since in shown.members],
            challenges=[TeamChallenge.of(each) for each in shown.challenges],
        )


@strawberry.type(description="A team on a page.")
class TeamEdge:
    """Relay's edge."""

    node: Team = strawberry.field(description="The team.")
    cursor: str = strawberry.field(description="Points to its place, for `after`.")


@strawberry.type(description="A page of teams.")
class TeamConnection:
    """Relay's connection."""

    edges: list[TeamEdge] = strawberry.field(description="The teams on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.input(description="A team to make.")
class CreateTeamInput:
    """Which, and what people call it."""

    team: strawberry.ID = strawberry.field(description=TEAM)
    name: str | None = strawberry.field(
        default=None, description="What people call it; its id, where left out. A team that is there keeps its own."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="The team.")
class CreateTeamSuccess:
    """What there is now."""

    team: Team = strawberry.field(description="The team as it is now.")
    created: bool = strawberry.field(description="False where there was one of that id already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")


@strawberry.input(description="A member, and the team that she joins.")
class JoinTeamInput:
    """Who, and which."""

    member: strawberry.ID | None = strawberry.field(
        default=None,
        description=f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out.",
    )
    team: strawberry.ID = strawberry.field(description=TEAM)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A member, who leaves the team that she is in.")
class LeaveTeamInput:
    """Who."""

    member: strawberry.ID | None = strawberry.field(
        default=None, description=f"{MEMBER} A member's own token may leave it out."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="In which team the member is.")
class JoinTeamSuccess:
    """How she stands now."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    team: strawberry.ID | None = strawberry.field(description=f"{TEAM} Null where she is in none.")
    at: DateTime = strawberry.field(description="The program's present, at which this holds.")
    since: DateTime | None = strawberry.field(description="Since when she is in it; null where she is in none.")
    changed: bool = strawberry.field(description="False where it was so already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")


CreateTeamResult: TypeAlias = Annotated[
    CreateTeamSuccess | InvalidInputError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("CreateTeamResult", description="What became of making a team."),
]
JoinTeamResult: TypeAlias = Annotated[
    JoinTeamSuccess | InvalidInputError | NotFoundError | MemberErasedError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("JoinTeamResult", description="What became of joining a team, or of leaving it."),
]


@strawberry.type
class TeamsQuery:
    """The fields of the root about teams."""

    @query(
        "A team as it stands. A member's own token may leave the id out, and sees the team that she is in.",
        MEMBERS_READ_OR_OWN,
    )
    async def team(
        self,
        info: Info,
        team: Annotated[strawberry.ID | None, strawberry.argument(description=TEAM)] = None,
    ) -> TeamStanding:
        """Its members and its progress."""
        principal, resources = info.context.principal, resources_of(info)

        async def work(unit: Unit) -> TeamShown:
            named: str | None = team
            if principal.member is not None:
                own = await records.team_of(unit, principal.member)
                named = own if named in (None, own) else None
            if named is None:
                raise NotFound("This is no team that you are in.", "team")
            return await teams.read(unit, await resources.programs.load(unit), named)

        return TeamStanding.of(await resources.read(principal, work))

    @query("The teams by the app's own id, in the order of code points.", MEMBERS_READ)
    async def teams(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> TeamConnection:
        """A page, stable while teams are made."""
        size = page_size(first, 20)
        place = None if after is None else place_of(after)
        if not isinstance(place, TeamsCursor | None):
            raise InvalidCursor("This cursor points into another list.", "after")
        begin = None if place is None else place.team
        found = await resources_of(info).read(info.context.principal, lambda unit: records.page(unit, begin, size + 1))
        edges = [TeamEdge(node=Team.of(each), cursor=cursor_of(TeamsCursor(each.id))) for each in found[:size]]
        cursors = [each.cursor for each in edges]
        return TeamConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=len(found) > size))


@strawberry.type
class TeamsMutation:
    """The mutations about teams."""

    @mutation("Make a team. One that is there already stays as it is.", EVENTS_WRITE)
    async def create_team(
        self,
        info: Info,
        given: Annotated[CreateTeamInput, strawberry.argument(name="input", description="Which team.")],
    ) -> CreateTeamResult:
        """Keep it."""
        principal, resources = info.context.principal, resources_of(info)
        done = await teams.create(
            resources.database,
            resources.programs,
            principal.program,
            CreateTeam(given.team, given.team if given.name is None else given.name),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return CreateTeamSuccess(team=Team.of(done.team), created=done.created, replayed=done.replayed)

    @mutation(
        "Let a member be in a team from the program's present on, and in no other: what she does counts for it from then until"
        " she leaves. What she has given to another stays there.",
        EVENTS_WRITE_OR_OWN,
    )
    async def join_team(
        self,
        info: Info,
        given: Annotated[JoinTeamInput, strawberry.argument(name="input", description="Who, and which team.")],
    ) -> JoinTeamResult:
        """Keep it as a fact."""
        return await _put(info, given.member, given.team, given.idempotency_key)

    @mutation("Let a member be in no team any more. What she has given stays there.", EVENTS_WRITE_OR_OWN)
    async def leave_team(
        self,
        info: Info,
        given: Annotated[LeaveTeamInput, strawberry.argument(name="input", description="Who.")],
    ) -> JoinTeamResult:
        """Keep it as a fact."""
        return await _put(info, given.member, None, given.idempotency_key)


async def _put(info: Info, member: str | None, team: str | None, key: str) -> JoinTeamSuccess:
    principal, resources = info.context.principal, resources_of(info)
    done = await teams.join(
        resources.database,
        resources.programs,
        principal.program,
        JoinTeam(member_of(principal, member), team),
        principal=principal.name,
        key=key,
    )
    await resources.drain.settled(principal.program)
    return JoinTeamSuccess(
        member=strawberry.ID(done.member),
        team=None if done.team is None else strawberry.ID(done.team),
        at=written(done.at),
        since=written_or_none(done.since),
        changed=done.changed,
        replayed=done.replayed,
    )
