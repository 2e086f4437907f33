"""A member's screen in a terminal."""

from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

FIELDS: Final = """externalId timezone asOf
wallets { name balance earned spent expired pending nextExpiry { points at } }
streaks { name period current longest active periodEndsAt }
challenges { name description period endsAt fraction completed completions objectives { current target } }
badges { name level levels { key name target awardedAt } next { current target fraction } }"""

OF_A_KEY: Final = f"query Screen($member: ID!) {{ member(externalId: $member) {{ {FIELDS} }} }}"
OF_A_TOKEN: Final = f"query Screen {{ me {{ {FIELDS} }} }}"

_BAR_WIDTH: Final = 8
_NAME_WIDTH_MAX: Final = 24
"""So much of a name is seen in a terminal however narrow; the columns at the right go first."""


def show(member: dict[str, Any], console: Console) -> None:
    """Print a member, as one of the two documents above asks for her."""
    parts = [_wallets(member["wallets"]), _streaks(member["streaks"])]
    parts += [_challenges(member["challenges"]), _badges(member["badges"])]
    title = f"{member['externalId']}, as of {_minute(member['asOf'])} UTC ({member['timezone']})"
    console.print(Panel(Group(*parts), title=title, expand=False))


def _wallets(wallets: list[dict[str, Any]]) -> RenderableType:
    table = _table(wallets, "Points", "balance", "earned", "spent", "expired", "next to expire (UTC)")
    for each in wallets:
        expiry = each["nextExpiry"]
        counts = (f"{each[name]:,}" for name in ("balance", "earned", "spent", "expired"))
        table.add_row(each["name"], *counts, f"{expiry['points']:,} at {_minute(expiry['at'])}" if expiry else "")
    return table


def _streaks(streaks: list[dict[str, Any]]) -> RenderableType:
    table = _table(streaks, "Streaks", "current", "longest", "", "ends (UTC)")
    for each in streaks:
        done = f"this {each['period'].lower()}: {'done' if each['active'] else 'not yet'}"
        table.add_row(each["name"], f"{each['current']:,}", f"{each['longest']:,}", done, _minute(each["periodEndsAt"]))
    return table


def _challenges(challenges: list[dict[str, Any]]) -> RenderableType:
    table = _table(challenges, "Challenges", "period", "progress", "", "done", "ends (UTC)")
    for each in challenges:
        told = ", ".join(f"{objective['current']}/{objective['target']}" for objective in each["objectives"])
        completed = "yes" if each["completed"] else f"{each['completions']}x" if each["completions"] else ""
        bar = ProgressBar(total=1.0, completed=each["fraction"], width=_BAR_WIDTH)
        table.add_row(each["name"], each["period"], bar, told, completed, _minute(each["endsAt"] or ""))
    return table


def _badges(badges: list[dict[str, Any]]) -> RenderableType:
    table = _table(badges, "Badges", "held", "next", "")
    table.columns[1].no_wrap = False
    for each in badges:
        held = ", ".join(level["name"] or level["key"] for level in each["levels"] if level["awardedAt"])
        ahead = each["next"]
        bar = ProgressBar(total=1.0, completed=ahead["fraction"], width=_BAR_WIDTH) if ahead else ""
        table.add_row(each["name"], held, bar, f"{ahead['current']}/{ahead['target']}" if ahead else "all held")
    return table


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _table(named: list[dict[str, Any]], title: str, *columns: str) -> Table:
    table = Table(title, *columns, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in table.columns:
        column.no_wrap = True
    longest = max(cell_len(name) for name in (title, *(each["name"] for each in named)))
    table.columns[0].min_width = min(longest, _NAME_WIDTH_MAX)
    return table
