"""Joining a challenge, and leaving it: facts from the program's present on, of challenges that members join themselves."""

from datetime import datetime

import msgspec

from achievements.challenges import JOINED, LEFT, ChallengeReady
from achievements.states import ChallengePart
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener, check_member, listen
from engagement.errors import InvalidInput, NotFound
from engagement.records.unit import Database, Unit


class JoinChallenge(msgspec.Struct, frozen=True):
    """Who (the app's own id), and the key of the challenge that she joins; or leaves, where `leave`."""

    member: str
    challenge: str
    leave: bool = False


class ChallengeJoined(msgspec.Struct, frozen=True):
    """Since when the member takes part, None where she does not; `changed` where it was otherwise before."""

    member: str
    challenge: str
    at: datetime
    joined_at: datetime | None
    changed: bool
    replayed: bool = False


async def join(
    database: Database, programs: Programs, program_id: int, command: JoinChallenge, *, principal: str, key: str | None
) -> ChallengeJoined:
    """Let a member take part from the program's present on, or no more; one of whom nothing was heard is made known by it.

    To join what was joined, or leave what was not, changes nothing. Raises `NotFound` where no such challenge is in force for
    her, `InvalidInput` for one that counts for everybody or is over, and what is no member's id; and what `Database.perform` raises.
    """
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _join(unit, programs, command),
        program_id,
        principal=principal,
        operation="leaveChallenge" if command.leave else "joinChallenge",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(ChallengeJoined).decode,
    )
    return ChallengeJoined(done.member, done.challenge, done.at, done.joined_at, done.changed, replayed)


async def _join(unit: Unit, programs: Programs, command: JoinChallenge) -> ChallengeJoined:
    listener = await listen(unit, programs, command.member)
    challenge = _challenge(listener, command)
    since = _since(listener, challenge)
    changed = (since is None) != command.leave
    if changed:
        await listener.tell(LEFT if command.leave else JOINED, {"challenge": challenge.key})
        await listener.save()
    return ChallengeJoined(command.member, challenge.key, listener.at, _since(listener, challenge), changed)


def _challenge(listener: Listener, command: JoinChallenge) -> ChallengeReady:
    """The challenge that is meant, where it can be joined or left."""
    rules = listener.loaded.rulebook.at(listener.at)
    found = None if rules is None else rules.by_name.get(f"challenges/{command.challenge}")
    if not isinstance(found, ChallengeReady):
        raise NotFound("No challenge of that key is in force.", "challenge")
    state = listener.state
    if rules is not None and not (rules.judges(found.name, state) and rules.offers(found.name, state, listener.at)):
        raise NotFound(f"The challenge `{found.key}` is not for this member.", "challenge")
    if found.team is not None:
        raise InvalidInput(
            f"In the challenge `{found.key}` takes part whoever is in a team: see `joinTeam`.", "challenge"
        )
    if not found.opt_in:
        raise InvalidInput(f"The challenge `{found.key}` counts for everybody: nobody joins or leaves it.", "challenge")
    closes = found.span.closes
    if not command.leave and closes is not None and closes <= listener.at:
        raise InvalidInput(f"The challenge `{found.key}` is over since {closes.isoformat()}.", "challenge")
    return found


def _since(listener: Listener, challenge: ChallengeReady) -> datetime | None:
    part = listener.state.parts.get(challenge.name)
    return part.joined if isinstance(part, ChallengePart) else None
