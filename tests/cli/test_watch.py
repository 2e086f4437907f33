import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from engagement.embedded import Endpoints
from tests.cli.conftest import SECONDS, Run
from tests.conftest import Urls

PROGRAM = """
program: {key: live}
currencies: [{key: points}]
event_types: [{key: visit}]
earn_rules: [{key: base, on: visit, earn: {fixed: 5}}]
"""


@contextmanager
def served(port: int, environment: dict[str, str]) -> Iterator[None]:
    command = ["engagement", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert f":{port}/graphql" in process.stderr.readline()
        yield
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_watch_goes_on_after_the_last_update_seen(
    database: Urls, endpoints: Endpoints, run: Run, environment: dict[str, str]
) -> None:
    ours = {"DATABASE_URL": database.app, "REDIS_URL": endpoints.redis_url}
    port = free_port()
    url = f"http://127.0.0.1:{port}/graphql"

    def visit(event: str) -> None:
        events = f'[{{id: "{event}", member: "ada", type: "visit"}}]'
        document = f"mutation {{ recordEvents(input: {{events: {events}}}) {{ __typename }} }}"
        assert "RecordEventsSuccess" in run("query", document, "--url", url, "--key", key).stdout

    subprocess.run(["engagement", "apply", "-"], input=PROGRAM, env={**environment, **ours}, text=True, check=True)
    made = run("api-key", "create", "--program", "live", "--scope", "events:write", "--scope", "members:read", **ours)
    key = made.stdout.strip()
    watch = ["engagement", "watch", "--member", "ada", "--url", url, "--key", key]
    with served(port, {**environment, **ours}):
        visit("e-1")
        watching = subprocess.Popen(watch, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["__typename"] == "Reset"
        visit("e-2")
        assert json.loads(watching.stdout.readline())["eventId"] == "e-2"
    with served(port, {**environment, **ours}):
        visit("e-3")
        update = json.loads(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        rest, complaints = watching.communicate(timeout=SECONDS)
    assert (update["__typename"], update["eventId"], rest) == ("ActivityItem", "e-3", "")
    assert [effect["points"] for effect in update["effects"] if effect["__typename"] == "PointsEarned"] == [5]
    assert complaints == "The connection is lost; trying again.\n"
    assert watching.returncode == 130
