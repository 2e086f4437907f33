"""What resolvers work with: one set for each schema, since a process serves one database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from engagement.actions.checkout import Checkout
from engagement.actions.programs import Loaded, Programs
from engagement.actions.read_screens import Reader
from engagement.actions.record_events import Intake
from engagement.api.documents import Schema
from engagement.api.principals import Info, Principal
from engagement.records.unit import Database, Unit
from engagement.relay.boards import Boards
from engagement.relay.drain import Drain
from engagement.relay.live import Hub

READ_ALL_SECONDS: Final = 30.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resources:
    """The layers below, as this process holds them."""

    database: Database
    programs: Programs
    intake: Intake
    checkout: Checkout
    reader: Reader
    boards: Boards
    drain: Drain
    hub: Hub

    async def read(self, principal: Principal, work: Callable[[Unit], Awaitable[T]]) -> T:
        """What `work` reads from one snapshot of the caller's program."""
        return await self.database.run(work, principal.program, read_only=True)

    async def read_all(self, principal: Principal, work: Callable[[Unit, Loaded], Awaitable[T]]) -> T:
        """The same of what goes through all of the program's transfers, so takes long in a large one: up to half a minute."""

        async def patiently(unit: Unit) -> T:
            await unit.take_time(READ_ALL_SECONDS)
            return await work(unit, await self.programs.load(unit))

        return await self.database.run(patiently, principal.program, read_only=True, deadline_seconds=READ_ALL_SECONDS)


class BoundSchema(Schema):
    """A schema together with what its resolvers work with; None for one that is only printed."""

    resources: Resources | None = None


def resources_of(info: Info) -> Resources:
    """What the resolvers of this operation's schema work with."""
    resources = cast("BoundSchema", info.schema).resources
    assert resources is not None, "a schema that is only printed resolves nothing"
    return resources
