"""The ledger under a random stream, held against the model. `make stress ARGS="--only model"` goes further."""

import pytest

from engagement.records.unit import Database
from tests.actions.streams import Stream


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_step_of_a_stream_is_what_the_model_says(records: Database, seed: int) -> None:
    await Stream(records, seed).run(150)
