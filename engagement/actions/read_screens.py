"""Reading members' screens: whoever asks while a read is under way is answered by the next one, together with all others.

A transaction takes as many turns to the server for one member as for a hundred. No timer, no added delay; a screen is
never older than the question.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

from engagement.actions import screens
from engagement.actions.programs import Programs
from engagement.actions.screens import MemberNotFound, Screen
from engagement.errors import Refusal
from engagement.records import members
from engagement.records.unit import Database, Unit

TOGETHER_MAX = 64
"""How many screens are read at once."""

Question: TypeAlias = tuple[str, "asyncio.Future[Screen]"]


class Reader:
    """Where screens are asked for: one queue for each program, and one read of it at a time. One for each process."""

    def __init__(self, database: Database, programs: Programs) -> None:
        self._database = database
        self._programs = programs
        self._asked: dict[int, list[Question]] = defaultdict(list)
        self._reading: dict[int, asyncio.Task[None]] = {}

    async def screen(self, program_id: int, external_id: str) -> Screen:
        """The screen of the member with the app's own id. Raises `MemberNotFound`, and what `Database.run` raises."""
        answer: asyncio.Future[Screen] = asyncio.get_running_loop().create_future()
        self._asked[program_id].append((external_id, answer))
        if program_id not in self._reading:
            self._reading[program_id] = asyncio.create_task(self._read(program_id))
        return await answer

    async def _read(self, program_id: int) -> None:
        while asked := self._asked.pop(program_id, []):
            # Whoever has gone meanwhile needs no answer.
            waiting = [each for each in asked if not each[1].done()]
            self._asked[program_id] = waiting[TOGETHER_MAX:]
            await self._answer(program_id, waiting[:TOGETHER_MAX])
        del self._reading[program_id]

    async def _answer(self, program_id: int, questions: Sequence[Question]) -> None:
        wanted = list({external_id for external_id, _ in questions})
        if not wanted:
            return
        try:
            found = await self._database.run(lambda unit: self._screens(unit, wanted), program_id, read_only=True)
        except Exception as error:  # noqa: BLE001 — handed on to whoever asked, whatever it is.
            # What is wrong with one member must not keep the others from their screens.
            if len(wanted) > 1 and not isinstance(error, Refusal):
                for each in questions:
                    await self._answer(program_id, [each])
                return
            for _, answer in questions:
                if not answer.done():
                    answer.set_exception(error)
            return
        for external_id, answer in questions:
            if answer.done():
                continue
            if external_id in found:
                answer.set_result(found[external_id])
            else:
                answer.set_exception(MemberNotFound("This program has no member of that id.", "member"))

    async def _screens(self, unit: Unit, external_ids: Sequence[str]) -> dict[str, Screen]:
        loaded = await self._programs.load(unit)
        # PostgreSQL keeps no text with a zero in it, and refuses to look for one.
        shown = await members.named(unit, [each for each in external_ids if "\0" not in each])
        whole = {
            each.member.id: each
            for each in await screens.read(unit, loaded, list({each.id: each for each in shown.values()}.values()))
        }
        return {name: whole[each.id] for name, each in shown.items()}
