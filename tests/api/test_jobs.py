"""Jobs through the API: read, followed to their end, cancelled, and nobody else's."""

import uuid
from typing import Any

from engagement.records import jobs as records
from engagement.records.jobs import Job
from engagement.records.unit import Unit
from tests.api.conftest import House, Service, following, founded

_FIELDS = "{ id kind state done total problem askedAt endedAt }"
READ = f"query($id: ID!) {{ job(id: $id) {_FIELDS} }}"
CANCEL = (
    f"mutation($id: ID!) {{ cancelJob(id: $id) {{ ... on CancelJobSuccess {{ job {_FIELDS} }}"
    " ... on UserError { code message } } }"
)


async def held(house: House) -> Job:
    """A job that the test works on, before the service's worker can see it."""

    async def work(unit: Unit) -> Job:
        await records.ask(unit, uuid.uuid4(), "count", None)
        taken = await records.take(unit)
        assert taken is not None
        return taken

    return await house.service.database.run(work, house.program.id)


async def note(house: House, job: Job, done: int, total: int) -> None:
    await house.service.database.run(lambda unit: records.note(unit, job, done, total, None), house.program.id)


async def test_a_job_is_followed_to_its_end(house: House, service: Service) -> None:
    job = await held(house)
    text = f'subscription {{ jobProgress(id: "{job.id}") {_FIELDS} }}'
    async with following(service, house.key, text=text) as follower:

        async def told() -> dict[str, Any]:
            message = await follower.next(60)
            assert message["type"] == "next", message
            found: dict[str, Any] = message["payload"]["data"]["jobProgress"]
            return found

        first = await told()
        assert (first["id"], first["kind"], first["state"], first["total"]) == (str(job.id), "count", "RUNNING", None)
        await note(house, job, 2, 4)
        more = await told()
        assert (more["state"], more["done"], more["total"]) == ("RUNNING", 2, 4)
        await house.service.database.run(lambda unit: records.finish(unit, job, {}), house.program.id)
        last = await told()
        assert (last["state"], last["done"], last["endedAt"] is not None) == ("DONE", 4, True)
        assert (await follower.next(60))["type"] == "complete"
    assert (await house.data(READ, {"id": str(job.id)}))["job"] == last


async def test_a_job_is_cancelled(house: House) -> None:
    job = await held(house)
    for _ in range(2):
        assert (await house.data(CANCEL, {"id": str(job.id)}))["cancelJob"]["job"]["state"] == "CANCELLED"
    assert (await house.data(READ, {"id": str(job.id)}))["job"]["state"] == "CANCELLED"


async def test_anothers_job_is_none(house: House, service: Service) -> None:
    job = await held(house)
    other = await founded(service, sandbox=None)
    for missing in (str(job.id), "no id at all"):
        assert (await other.refusal(READ, {"id": missing}))["code"] == "JOB_NOT_FOUND"
        assert (await other.data(CANCEL, {"id": missing}))["cancelJob"]["code"] == "JOB_NOT_FOUND"
    reader = await service.key(house.program.id, ["members:read"])
    assert (await house.refusal(READ, {"id": str(job.id)}, key=reader))["code"] == "FORBIDDEN"
