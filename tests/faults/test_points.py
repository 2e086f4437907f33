"""A small run of what points go through under load. `make stress` runs each in full, and kills its processes meanwhile."""

from stress.dropping import dropping
from stress.expiring import expiring
from stress.overspending import overspending, racing
from stress.tills import banking


def test_points_under_load_are_moved_once_and_never_below_zero() -> None:
    plays = overspending(2), racing(3), expiring(25), dropping(40)
    assert banking(1, *plays, kills=False, processes=1).wrong == []
