"""Members, the state of each one's fold, and the earlier states to fold again from.

Whoever changes anything of a member first locks her row of `member_state` (`lock_states`), in order of member id.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec

from achievements.controls import seed_of
from achievements.states import MemberState
from engagement.errors import Again
from engagement.records import erasures
from engagement.records.rows import columns_of
from engagement.records.unit import Unit


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """What is stored and waits to be folded in: an event (`n` 0), or its n-th amendment."""

    event_id: str
    n: int = 0


class Held(msgspec.Struct, frozen=True):
    """A member whose row is locked: her state and the counters that go with it.

    `version` counts the writes, `seq` the activity items. `next_expiry_at` is when points of her wallets next end or come free,
    `pending` is what is stored and waits for the worker to fold it in. `wallets` are, of each currency in which she owes something
    (of every currency, where that was asked for), what can be spent less the debt, and the debt. Who is `hidden` is on no board.
    `revision` is the one of the program at which she was written last. Who is `erased` is frozen: nothing is
    done to her any more. Who is `merged` is a part of another, by whose id she is found.
    """

    id: UUID
    version: int
    seq: int
    state: MemberState
    next_expiry_at: datetime | None = None
    wallets: Mapping[str, tuple[int, int]] = {}
    pending: tuple[Pending, ...] = ()
    hidden: bool = False
    revision: int = 0
    erased: bool = False
    merged: bool = False

    def due_by(self, until: datetime) -> bool:
        """Whether time changes something of her up to an instant."""
        due = _due(self)
        return due is not None and due <= until


class Member(msgspec.Struct, frozen=True):
    """A member as others know her: `external_id` is the app's own id, `alias` the name that boards show her under."""

    id: UUID
    external_id: str
    timezone: str | None
    created_at: datetime
    alias: str | None = None


_decode_state = msgspec.json.Decoder(MemberState).decode
_decode_wallets = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode
_encode = msgspec.json.Encoder().encode

_MEMBER = "member.id, member.external_id, member.timezone, member.created_at, member.alias"


async def ids_of(unit: Unit, external_ids: Sequence[str]) -> dict[str, UUID]:
    """The ids of members that exist, by the app's own ids: of one who is a part of another, the other's."""
    return (await known(unit, external_ids)).ids


class Known(NamedTuple):
    """The ids of members by the app's own ids, and which of those are `former`: of one who is a part of another, whose id it is.
    Of these also her own id.
    """

    ids: dict[str, UUID]
    former: Mapping[str, UUID] = {}


async def known(unit: Unit, external_ids: Iterable[str]) -> Known:
    """Those of them that exist."""
    rows = await unit.fetch(
        "SELECT external_id, id, merged_into FROM member WHERE program_id = $1 AND external_id = ANY($2::text[])",
        unit.program,
        list(external_ids),
    )
    former = {row["external_id"]: row["id"] for row in rows if row["merged_into"] is not None}
    unit.led.update((row["external_id"], row["merged_into"]) for row in rows if row["merged_into"] is not None)
    return Known({row["external_id"]: row["merged_into"] or row["id"] for row in rows}, former)


async def enrol(unit: Unit, external_ids: Iterable[str], at: datetime) -> Known:
    """The ids of all these members but those who were erased; who is new gets one, and an empty state.

    In order, so that two enrolments queue.
    """
    wanted = sorted(external_ids)
    there = await known(unit, wanted)
    fresh = [each for each in wanted if each not in there.ids]
    if fresh:
        gone = await erasures.erased_among(unit, fresh)
        fresh = [each for each in fresh if each not in gone]
    if not fresh:
        return there
    rows = await unit.fetch(
        "WITH made AS (INSERT INTO member (program_id, id, external_id, created_at)"
        " SELECT $1, new.id, new.external_id, $4 FROM unnest($2::uuid[], $3::text[]) AS new (id, external_id)"
        " ON CONFLICT (program_id, external_id) DO NOTHING RETURNING external_id, id) SELECT * FROM made",
        unit.program,
        [uuid4() for _ in fresh],
        fresh,
        at,
    )
    made = {row["external_id"]: row["id"] for row in rows}
    await unit.execute(
        "INSERT INTO member_state (program_id, member_id, version, revision, seq, inputs, state)"
        " SELECT $1, new.id, 0, 0, 0, 0, new.state::jsonb FROM unnest($2::uuid[], $3::text[]) AS new (id, state)",
        unit.program,
        list(made.values()),
        [_encode(MemberState(seed=seed_of(each))).decode() for each in made],
    )
    # Whoever else enrolled or erased one of them meanwhile has committed by now: the insert waited for it.
    if made and await erasures.erased_among(unit, list(made)):
        raise Again
    elsewhere = [each for each in fresh if each not in made]
    others = await known(unit, elsewhere) if elsewhere else Known({})
    return Known({**there.ids, **made, **others.ids}, {**there.former, **others.former})


async def lead_elsewhere(unit: Unit, ids: Collection[UUID]) -> bool:
    """Whether former ids that this unit has looked up, and that led to one of some locked members, do so no more."""
    led = {name: who for name, who in unit.led.items() if who in ids}
    if not led:
        return False
    rows = await unit.fetch(
        "SELECT external_id, coalesce(merged_into, id) FROM member WHERE program_id = $1 AND external_id = ANY($2::text[])",
        unit.program,
        list(led),
    )
    return dict(tuple(row) for row in rows) != led


async def lock_states(
    unit: Unit, ids: Iterable[UUID], *, skip_locked: bool = False, balances: bool = False
) -> dict[UUID, Held]:
    """The states of these members, held until the unit ends.

    `skip_locked` leaves out those that another unit holds; `balances` asks for the balance of every wallet.
    """
    rows = await unit.fetch(
        "SELECT member_id, version, seq, state, pending, hidden, revision, erased, merged FROM member_state"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) ORDER BY member_id"
        f" FOR NO KEY UPDATE {'SKIP LOCKED' if skip_locked else ''}",
        unit.program,
        sorted(ids),
    )
    # A statement sees what was committed when it began. Whoever waited for a lock reads the wallets by another one.
    wallets = await _wallets(unit, [row["member_id"] for row in rows], balances=balances)
    return {
        row["member_id"]: Held(
            row["member_id"],
            row["version"],
            row["seq"],
            _decode_state(row["state"]),
            *wallets.get(row["member_id"], (None, {})),
            pending=_pending(row["pending"]),
            hidden=row["hidden"],
            revision=row["revision"],
            erased=row["erased"],
            merged=row["merged"],
        )
        for row in rows
    }


async def _wallets(
    unit: Unit, ids: Sequence[UUID], *, balances: bool
) -> dict[UUID, tuple[datetime | None, dict[str, tuple[int, int]]]]:
    rows = await unit.fetch(
        "SELECT member_id, min(next_expiry_at) AS expiry,"
        " (json_object_agg(currency, json_build_array(balance - pending - held, debt)) FILTER (WHERE debt > 0 OR $3))::text AS held"
        " FROM wallet WHERE program_id = $1 AND member_id = ANY($2::uuid[]) GROUP BY member_id",
        unit.program,
        ids,
        balances,
    )
    return {
        row["member_id"]: (row["expiry"], {} if row["held"] is None else _decode_wallets(row["held"])) for row in rows
    }


async def save_states(unit: Unit, held: Sequence[Held]) -> None:
    """Write the states of locked members; each is due when its fold or its points are, whichever comes first."""
    rows = [
        (
            each.id,
            each.version,
            each.seq,
            each.state.inputs,
            _encode(each.state).decode(),
            _due(each),
            _encode(each.pending).decode() if each.pending else None,
            each.revision,
        )
        for each in held
    ]
    if rows:
        unit.write(
            "UPDATE member_state AS held SET version = new.version, revision = new.revision, seq = new.seq, inputs = new.inputs,"
            " state = new.state::jsonb, due_at = new.due_at, pending = new.pending::jsonb"
            " FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::int[], $6::text[], $7::timestamptz[], $8::text[], $9::int[])"
            " AS new (member_id, version, seq, inputs, state, due_at, pending, revision)"
            " WHERE held.program_id = $1 AND held.member_id = new.member_id",
            unit.program,
            *columns_of(rows, 8),
        )


def _pending(written: str | None) -> tuple[Pending, ...]:
    return () if written is None else msgspec.json.decode(written, type=tuple[Pending, ...])


def _due(held: Held) -> datetime | None:
    instants = [each for each in (held.state.due, held.next_expiry_at) if each is not None]
    return min(instants, default=None)


async def due(unit: Unit, until: datetime, at_most: int) -> list[UUID]:
    """Members of whom something falls due up to an instant, the earliest first; those that wait for a refold are left out."""
    rows = await unit.fetch(
        "SELECT member_id FROM member_state WHERE program_id = $1 AND due_at <= $2 AND pending IS NULL"
        " ORDER BY due_at LIMIT $3",
        unit.program,
        until,
        at_most,
    )
    return [row["member_id"] for row in rows]


async def pending(unit: Unit, at_most: int) -> list[UUID]:
    """Members with inputs that wait to be folded in."""
    rows = await unit.fetch(
        "SELECT member_id FROM member_state WHERE program_id = $1 AND pending IS NOT NULL LIMIT $2",
        unit.program,
        at_most,
    )
    return [row["member_id"] for row in rows]


async def behind(unit: Unit, revision: int, after: UUID | None, at_most: int) -> list[tuple[UUID, int]]:
    """Members written last before a revision of the program, who have a history, with its length: by id, from the one after `after` on."""
    rows = await unit.fetch(
        "SELECT member_id, inputs FROM member_state WHERE program_id = $1 AND revision < $2 AND inputs > 0"
        " AND ($3::uuid IS NULL OR member_id > $3) ORDER BY member_id LIMIT $4",
        *(unit.program, revision, after, at_most),
    )
    return [(row["member_id"], row["inputs"]) for row in rows]


async def any_behind(unit: Unit, revision: int) -> bool:
    """Whether there are any."""
    there: bool = await unit.fetchval(
        "SELECT EXISTS (SELECT FROM member_state WHERE program_id = $1 AND revision < $2 AND inputs > 0)",
        unit.program,
        revision,
    )
    return there


async def count_behind(unit: Unit, revision: int) -> int:
    """How many those are."""
    number: int = await unit.fetchval(
        "SELECT count(*) FROM member_state WHERE program_id = $1 AND revision < $2 AND inputs > 0",
        unit.program,
        revision,
    )
    return number


async def set_timezone(unit: Unit, member_id: UUID, timezone: str | None) -> None:
    """Note a member's own zone, which is the one of her last fact of it; None where there is none."""
    await unit.execute(
        "UPDATE member SET timezone = $3 WHERE program_id = $1 AND id = $2", unit.program, member_id, timezone
    )


async def set_shown(unit: Unit, member_id: UUID, alias: str | None, *, hidden: bool) -> None:
    """Note how a locked member is shown on boards: under which name, or on none."""
    await unit.execute("UPDATE member SET alias = $3 WHERE program_id = $1 AND id = $2", unit.program, member_id, alias)
    await unit.execute(
        "UPDATE member_state SET hidden = $3 WHERE program_id = $1 AND member_id = $2", unit.program, member_id, hidden
    )


async def aliases(unit: Unit, external_ids: Sequence[str]) -> dict[str, str]:
    """The names that members chose, by the app's own ids; who chose none is left out."""
    rows = await unit.fetch(
        "SELECT external_id, alias FROM member"
        " WHERE program_id = $1 AND external_id = ANY($2::text[]) AND alias IS NOT NULL",
        unit.program,
        list(external_ids),
    )
    return {row["external_id"]: row["alias"] for row in rows}


async def find(unit: Unit, external_id: str) -> Member | None:
    """The member with the app's own id; the one of whom she is a part, where she is."""
    row = await unit.fetchrow(
        f"SELECT {_MEMBER} FROM member AS named JOIN member ON member.program_id = $1"
        " AND member.id = coalesce(named.merged_into, named.id) WHERE named.program_id = $1 AND named.external_id = $2",
        unit.program,
        external_id,
    )
    if row is None:
        return None
    _note(unit, external_id, found := Member(*row))
    return found


def _note(unit: Unit, external_id: str, found: Member) -> None:
    """Note to whom a former id led."""
    if found.external_id != external_id:
        unit.led[external_id] = found.id


async def named(unit: Unit, external_ids: Sequence[str]) -> dict[str, Member]:
    """Members by the app's own ids, as `find` finds them; who does not exist is left out."""
    rows = await unit.fetch(
        f"SELECT named.external_id AS name, {_MEMBER} FROM member AS named JOIN member ON member.program_id = $1"
        " AND member.id = coalesce(named.merged_into, named.id)"
        " WHERE named.program_id = $1 AND named.external_id = ANY($2::text[])",
        unit.program,
        list(external_ids),
    )
    found = {row["name"]: Member(*list(row)[1:]) for row in rows}
    for name, each in found.items():
        _note(unit, name, each)
    return found


async def of_ids(unit: Unit, ids: Sequence[UUID]) -> dict[UUID, Member]:
    """Members by id; who is not of this program is left out."""
    rows = await unit.fetch(
        f"SELECT {_MEMBER} FROM member WHERE program_id = $1 AND id = ANY($2::uuid[])", unit.program, list(ids)
    )
    return {row["id"]: Member(*row) for row in rows}


async def count(unit: Unit) -> int:
    """How many members there are."""
    number: int = await unit.fetchval("SELECT count(*) FROM member WHERE program_id = $1", unit.program)
    return number


async def page(unit: Unit, after: str | None, first: int, *, former: bool = True) -> list[Member]:
    """Members by the app's own id, from the one after `after` on; without those who are `former`, where that is said."""
    rows = await unit.fetch(
        f"SELECT {_MEMBER} FROM member WHERE program_id = $1 AND ($2::text IS NULL OR external_id > $2)"
        " AND ($4 OR merged_into IS NULL) ORDER BY external_id LIMIT $3",
        unit.program,
        after,
        first,
        former,
    )
    return [Member(*row) for row in rows]


async def states(unit: Unit, ids: Sequence[UUID]) -> dict[UUID, Held]:
    """The states of members as they are stored, for reading."""
    rows = await unit.fetch(
        "SELECT member_id, version, seq, state, pending, hidden, revision, erased, merged FROM member_state"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[])",
        unit.program,
        list(ids),
    )
    return {
        row["member_id"]: Held(
            row["member_id"],
            row["version"],
            row["seq"],
            _decode_state(row["state"]),
            pending=_pending(row["pending"]),
            hidden=row["hidden"],
            revision=row["revision"],
            erased=row["erased"],
            merged=row["merged"],
        )
        for row in rows
    }
