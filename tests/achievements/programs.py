"""Programs for the tests of the rules: the reference kinds at once, and variations of them."""

from datetime import UTC, datetime
from typing import Any

from achievements.definitions import parse
from achievements.rulebook import Rulebook, Rules, ready

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def document(timezone: str = "America/New_York", /, **sections: list[dict[str, Any]]) -> dict[str, Any]:
    """A program that knows purchases and visits, with what a test adds."""
    return {
        "program": {"key": "corner", "timezone": timezone},
        "currencies": [{"key": "points", "expires": {"after_days": 180}}],
        "event_types": [
            {"key": "purchase", "properties": {"amount": "decimal", "departments": "list[string]"}},
            {"key": "visit", "properties": {"mood": {"type": "int", "min": "-5"}}},
        ],
        **sections,
    }


def rules(timezone: str = "America/New_York", /, **sections: list[dict[str, Any]]) -> Rules:
    """The same, ready to apply."""
    return ready(parse(document(timezone, **sections)))


def rulebook(timezone: str = "America/New_York", /, **sections: list[dict[str, Any]]) -> Rulebook:
    """The same, in force since 1970."""
    return Rulebook(1, [(BEGIN, rules(timezone, **sections))])


QUALIFYING = {"on": "purchase", "when": "event.amount > 0.0"}

EVERYTHING: dict[str, list[dict[str, Any]]] = {
    "earn_rules": [
        {"key": "base", "on": "purchase", "earn": {"per": "amount"}},
        {"key": "big", "on": "purchase", "when": "event.amount >= 100.0", "earn": {"fixed": 50}},
    ],
    "streaks": [
        {"key": "weekly", **QUALIFYING, "period": "week"},
        {"key": "daily", **QUALIFYING, "period": "day"},
        {"key": "monthly", "on": ["purchase", "visit"], "period": "month"},
    ],
    "challenges": [
        {
            "key": "days",
            "objectives": [{**QUALIFYING, "measure": {"distinct": "local_day"}, "target": 3}],
            "window": {"calendar": "month"},
            "rewards": [{"points": 25}],
        },
        {
            "key": "spend",
            "objectives": [{**QUALIFYING, "measure": {"sum": "amount"}, "target": 200}],
            "window": {"calendar": "week"},
        },
        {"key": "breadth", "objectives": [{**QUALIFYING, "measure": {"distinct": "departments"}, "target": 4}]},
        {"key": "saver", "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 150}]},
        {
            # A measure that can fall: a late event may take back what was completed.
            "key": "mood",
            "objectives": [{"on": "visit", "measure": {"sum": "mood"}, "target": 3}],
            "window": {"calendar": "month"},
            "rewards": [{"points": 40}],
        },
        {
            "key": "both",
            "objectives": [{"on": "visit", "target": 2}, {"on": "purchase", "target": 2}],
            "window": {"calendar": "quarter"},
        },
    ],
    "badges": [
        {
            "key": "purchases",
            **QUALIFYING,
            "levels": [{"target": 2}, {"target": 5, "key": "five", "rewards": [{"points": 5}]}, {"target": 10}],
        }
    ],
    "leaderboards": [
        {"key": "monthly", "measure": {"points": "points"}, "window": {"calendar": "month"}},
        {"key": "all-time", "measure": {"points": "points", "including": "rewards"}},
    ],
}
"""Every kind of definition at once, with rewards that count further."""
