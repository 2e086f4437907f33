"""Goals: a member saves towards a reward, and her screen shows how far she is."""

import msgspec

from engagement.actions.approaching import reward_of
from engagement.actions.programs import Programs
from engagement.actions.telling import check_member, listen
from engagement.records import goals
from engagement.records.unit import Database, Unit


class SetGoal(msgspec.Struct, frozen=True):
    """Who (the app's own id) saves towards which reward; None: towards none any more."""

    member: str
    reward: str | None


class GoalSet(msgspec.Struct, frozen=True):
    """Towards which reward a member saves now, and whether that is new."""

    member: str
    reward: str | None
    changed: bool
    replayed: bool = False


async def set_goal(
    database: Database, programs: Programs, program_id: int, command: SetGoal, *, principal: str, key: str | None
) -> GoalSet:
    """Let a member save towards a reward, and no other, or towards none.

    One of whom nothing was heard yet is made known by it. Raises `NotFound` where there is no such reward, `InvalidInput` for what is no
    member's id; and what `Database.perform` raises.
    """
    check_member(command.member)
    done, replayed = await database.perform(
        lambda unit: _set(unit, programs, command),
        program_id,
        principal=principal,
        operation="setGoal",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(GoalSet).decode,
    )
    return GoalSet(done.member, done.reward, done.changed, replayed)


async def _set(unit: Unit, programs: Programs, command: SetGoal) -> GoalSet:
    listener = await listen(unit, programs, command.member)
    before = (await goals.of_members(unit, [listener.id])).get(listener.id)
    if command.reward is None:
        await goals.clear(unit, listener.id)
    else:
        reward_of(listener.loaded.rulebook.at(listener.at) or listener.loaded.rulebook.latest, command.reward)
        await goals.put(unit, listener.id, command.reward, listener.at)
    return GoalSet(command.member, command.reward, before != command.reward)
