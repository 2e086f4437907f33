"""Pages for people: GraphiQL, and the demo's page with what its members do. Built from `web/`; nothing comes from elsewhere.

Neither is served unless asked for: GraphiQL is for developers, and the demo's page hands out members' tokens, which it does
for a sandbox and the members it was started with alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from engagement.actions import tokens
from engagement.errors import Refusal
from engagement.records import programs
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database, Unit

BUILT: Final = Path(__file__).parents[1] / "web"
TOKEN_MINUTES: Final = 5
SHOWN_MAX: Final = 12
"""How many members a page may show."""

_DEMO_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# GraphiQL's editor writes style elements of its own, and inlines its cursors and icons.
_GRAPHIQL_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:;"
    " img-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_PICTURE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "public, max-age=3600",
}
_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demo's page shows of a sandbox: a leaderboard, and members by the app's own ids."""

    program: str
    board: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pages:
    """Which pages are served: GraphiQL at /graphiql, and at / the demo's page, where there is something to show."""

    graphiql: bool = False
    demo: Shown | None = None

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return self.graphiql or self.demo is not None


def built() -> bool:
    """Whether the pages are there: a source tree has them once they were built."""
    return (BUILT / "demo" / "index.html").is_file()


def page_routes(pages: Pages, database: Database) -> list[BaseRoute]:
    """The routes of the pages that are asked for, and of what they are made of."""
    if not pages.any:
        return []
    routes: list[BaseRoute] = [Mount("/static/assets", _Assets(directory=BUILT / "assets"))]
    if pages.graphiql:
        routes.append(_page("/graphiql", "graphiql", _GRAPHIQL_POLICY))
    if pages.demo is not None:
        routes.append(Mount("/static/rewards", _Pictures(directory=BUILT / "rewards")))
        routes += [_page("/", "demo", _DEMO_POLICY), Route("/demo/session", _session(pages.demo, database))]
    return routes


class _Assets(StaticFiles):
    """Files whose names change with what is in them."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        """The file, to be kept for good."""
        response = super().file_response(*arguments, **more)
        response.headers.update({**_SAFE, "Cache-Control": "public, max-age=31536000, immutable"})
        return response


class _Pictures(StaticFiles):
    """Pictures of the demo's rewards, by names that a program can state. One that is opened by itself can load and run nothing."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        """The file, to be asked for again after a while."""
        response = super().file_response(*arguments, **more)
        response.headers.update({**_SAFE, **_PICTURE})
        return response


def _page(path: str, name: str, policy: str) -> Route:
    headers = {**_SAFE, "Content-Security-Policy": policy, "Cache-Control": "no-cache"}

    async def page(_: Request) -> Response:
        return FileResponse(BUILT / name / "index.html", headers=headers)

    return Route(path, page)


def _session(shown: Shown, database: Database) -> Any:
    """Fresh tokens of the shown members: each reads her own data and the boards, redeems her own points, and nothing else."""

    async def find(unit: Unit) -> Program | None:
        return await programs.find(unit, shown.program)

    async def session(_: Request) -> Response:
        try:
            program = await database.run(find, ALL, read_only=True)
        except Refusal as refusal:
            return JSONResponse({"message": refusal.message}, 503, {**_no_store(), "Retry-After": "1"})
        if program is None or not program.sandbox:
            return JSONResponse({"message": "There is no such sandbox."}, 404, _no_store())
        found: Mapping[str, object] = {
            "program": program.name,
            "board": shown.board,
            "members": [{"id": each, "token": tokens.mint(program, each, TOKEN_MINUTES)} for each in shown.members],
            "seconds": TOKEN_MINUTES * 60,
        }
        return JSONResponse(found, headers=_no_store())

    return session


def _no_store() -> dict[str, str]:
    return {**_SAFE, "Cache-Control": "no-store"}
