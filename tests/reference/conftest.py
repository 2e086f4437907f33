from collections.abc import Iterator

import pytest

from reference.stand import Stand, stand


@pytest.fixture(scope="session")
def on() -> Iterator[Stand]:
    """A service that all replays of this process go through, each into a program of its own."""
    with stand() as made:
        yield made
