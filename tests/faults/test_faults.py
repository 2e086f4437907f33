"""A small run of each fault. `make stress` runs them in full, and looks at the times as well."""

from stress.cancels import cancel
from stress.deliveries import deliver_again
from stress.kills import kill_api, kill_demo
from stress.outages import freeze_postgres, stop_postgres
from stress.projections import lose_redis, start_without_redis


def test_killed_api_loses_and_doubles_nothing() -> None:
    assert kill_api(1, kills=2, per_kill=60).wrong == []


def test_killed_demo_ends_as_if_nothing_had_been() -> None:
    assert kill_demo(1, kills=1, households=20).wrong == []


def test_clients_that_leave_take_no_connection_along() -> None:
    assert cancel(1, leaving=100).wrong == []


def test_postgres_that_ends_is_sat_out() -> None:
    assert stop_postgres(1, down_seconds=2).wrong == []


def test_frozen_postgres_is_sat_out() -> None:
    assert freeze_postgres(1, frozen_seconds=7).wrong == []


def test_lost_redis_is_noticed_by_nobody() -> None:
    assert lose_redis(1, away_seconds=1, frozen_seconds=2).wrong == []


def test_service_starts_without_redis() -> None:
    assert start_without_redis(1, events=200).wrong == []


def test_repeated_and_shuffled_deliveries_have_one_effect() -> None:
    assert deliver_again(1, events=150).wrong == []
