"""Joining a challenge, and leaving it: facts at the program's present, in the order of what happened."""

from typing import Any

import pytest

from achievements.outcomes import ChallengeProgressed
from achievements.periods import rfc3339
from engagement.actions import challenges, lists
from engagement.actions.challenges import ChallengeJoined, JoinChallenge
from engagement.actions.lists import SetListed
from engagement.actions.programs import Sandbox
from engagement.actions.read_screens import Reader
from engagement.actions.shown_challenges import ChallengeShown
from engagement.errors import IdempotencyKeyReused, InvalidInput, NotFound
from engagement.records.unit import Database
from tests.achievements.programs import BEGIN, document
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies

THREE = {"key": "three", "objectives": [{"on": "purchase", "target": 3}], "join": "opt_in", "milestones": [{"at": 2}]}
OVER = {**THREE, "key": "over", "window": {"from": "1970-01-01T00:00:00Z", "until": "2017-02-01T00:00:00Z"}}
OPEN = {"key": "open", "objectives": [{"on": "purchase", "target": 9}]}


@pytest.fixture
async def club(records: Database) -> House:
    """A sandbox with challenges to join."""
    house = House(records)
    await house.apply(document(challenges=[THREE, OVER, OPEN]), Sandbox(BEGIN))
    return house


async def join(
    house: House, challenge: str = "three", *, leave: bool = False, key: str | None = None, member: str = "ann"
) -> ChallengeJoined:
    command = JoinChallenge(member, challenge, leave)
    return await challenges.join(house.database, house.cache, house.program, command, principal="shop", key=key)


async def shown(house: House, member: str = "ann") -> ChallengeShown:
    screen = await Reader(house.database, house.cache).screen(house.program, member)
    return next(each for each in screen.challenges if each.key == "three")


def _progress(effects: Any) -> list[Any]:
    return [each.current for each in effects if isinstance(each, ChallengeProgressed) and each.challenge == "three"]


async def test_what_is_done_counts_from_joining_on(club: House) -> None:
    (before,) = (await club.send(purchase("p1", "ann", "2017-03-01T10:00:00Z"))).receipts
    assert _progress(before.effects) == []
    joined = await join(club)
    assert (joined.changed, joined.joined_at) == (True, rfc3339("2017-03-01T10:00:00Z"))
    await club.send(purchase("p2", "ann", "2017-03-02T10:00:00Z"), purchase("p3", "ann", "2017-03-03T10:00:00Z"))
    found = await shown(club)
    assert (found.objectives, found.opt_in, found.joined_at) == (((2, 3),), True, rfc3339("2017-03-01T10:00:00Z"))
    assert [each.reached_at for each in found.milestones] == [rfc3339("2017-03-03T10:00:00Z")]
    left = await join(club, leave=True)
    assert (left.changed, left.joined_at) == (True, None)
    await club.send(purchase("p4", "ann", "2017-03-04T10:00:00Z"))
    assert ((await shown(club)).objectives, (await shown(club)).joined_at) == (((2, 3),), None)
    assert await discrepancies(club) == []


async def test_what_comes_late_counts_by_when_it_happened(club: House) -> None:
    await club.send(purchase("p1", "ann", "2017-03-02T10:00:00Z"))
    await join(club)
    await club.send(purchase("p3", "ann", "2017-03-06T10:00:00Z"))
    # From before she joined, and from after it.
    (early, late) = (
        await club.send(purchase("p0", "ann", "2017-03-01T10:00:00Z"), purchase("p2", "ann", "2017-03-05T10:00:00Z"))
    ).receipts
    assert [*_progress(early.effects), *_progress(late.effects)] == [(2,)]
    assert await discrepancies(club) == []


async def test_joining_twice_is_joining_once(club: House) -> None:
    first = await join(club, key="k", member="zoe")
    assert (first.changed, first.replayed) == (True, False)
    assert (await join(club, key="k", member="zoe")).replayed
    assert (await join(club, key="k2", member="zoe")).changed is False
    assert await club.rows("SELECT kind FROM fact WHERE program_id = $1") == [("joined",)]
    with pytest.raises(IdempotencyKeyReused):
        await join(club, key="k", member="ann")
    assert (await join(club, leave=True, member="zoe")).changed
    assert (await join(club, leave=True, member="zoe")).changed is False


@pytest.mark.parametrize(
    ("challenge", "refusal", "words"),
    [("none", NotFound, "in force"), ("open", InvalidInput, "everybody"), ("over", InvalidInput, "2017-02-01")],
)
async def test_what_cannot_be_joined_is_refused(
    club: House, challenge: str, refusal: type[InvalidInput | NotFound], words: str
) -> None:
    await club.advance("2017-03-01T00:00:00Z")
    with pytest.raises(refusal, match=words) as refused:
        await join(club, challenge)
    assert refused.value.field == "challenge"
    assert await club.rows("SELECT 1 FROM fact WHERE program_id = $1") == []


async def test_what_is_no_member_is_refused(club: House) -> None:
    with pytest.raises(InvalidInput) as refused:
        await join(club, member="a\0b")
    assert refused.value.field == "member"


async def test_a_challenge_is_joined_by_those_whom_it_is_for(club: House) -> None:
    aimed = {**THREE, "audience": "member.segments.testers"}
    await club.apply(document(segments=[{"key": "testers", "list": True}], challenges=[aimed]))
    for leave in (False, True):
        with pytest.raises(NotFound, match="not for this member"):
            await join(club, leave=leave)
    command = SetListed("ann", "testers", listed=True)
    await lists.set_listed(club.database, club.cache, club.program, command, principal="shop", key=None)
    assert (await join(club)).changed is True
    # Who is off the list again may still leave what she joined.
    command = SetListed("ann", "testers", listed=False)
    await lists.set_listed(club.database, club.cache, club.program, command, principal="shop", key=None)
    assert (await join(club, leave=True)).changed is True
