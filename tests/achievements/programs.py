"""Programs for the tests of the rules: the reference kinds at once, and variations of them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from achievements.definitions import parse
from achievements.rulebook import Rulebook, Rules, ready

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
REFERENCE_PROGRAMS = Path(__file__).parent.parent / "reference"


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

SILVER = "member.tiers['rolling'] == 'silver' || member.tiers['kept'] != 'bronze'"
TIERS = [{"key": "bronze"}, {"key": "silver", "from": 100}, {"key": "gold", "from": 260}]

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

EXACT: dict[str, list[dict[str, Any]]] = {
    "earn_rules": [
        {"key": "base", "on": "purchase", "earn": {"per": "amount"}, "limits": {"per_event": 200}},
        {
            "key": "banded",
            "on": "purchase",
            "earn": {
                "per": "amount",
                "bands": [{"from": 0, "rate": 0}, {"from": 40, "rate": 1}, {"from": 90, "rate": 2}],
            },
            "limits": {"per_member": {"points": 250, "window": {"calendar": "week"}}},
        },
        {
            "key": "each",
            "on": "purchase",
            "earn": {"each": "departments", "points": 3},
            "limits": {"per_member": {"points": 40, "window": {"days": 5}}},
        },
        {
            "key": "visits",
            "on": "visit",
            "earn": {"fixed": 2, "rounding": "half_up"},
            "limits": {"per_member": {"points": 9, "window": {"hours": 60}}},
        },
    ],
    "boosts": [
        {"key": "spring", "factor": 2, "from": "2017-03-10T00:00:00Z", "until": "2017-03-20T00:00:00Z"},
        {"key": "big", "factor": "1.5", "stacking": "additive", "on": "purchase", "when": "event.amount >= 99.99"},
        {"key": "gold", "factor": "1.25", "stacking": "highest", "audience": "member.tiers['rolling'] == 'gold'"},
        {"key": "silver", "factor": "1.1", "stacking": "highest", "earn_rules": ["base"], "audience": SILVER},
    ],
    "spend_rules": [{"key": "coupon", "on": "visit", "when": "event.mood > 1", "spend": {"points": 30}}],
    "auto_rewards": [{"key": "five", "at": 100}],
    "streaks": [
        {"key": "cooled", **QUALIFYING, "period": "day", "freezes": {"cooldown": 3}},
        {"key": "saved", **QUALIFYING, "period": "day", "freezes": {"start": 1, "earn_every": 2, "hold_at_most": 2}},
        {"key": "weekly", "on": ["purchase", "visit"], "period": "week", "freezes": {"cooldown": 2}},
    ],
    "challenges": [
        {
            "key": "days",
            "objectives": [{**QUALIFYING, "measure": {"sum": "amount"}, "target": 300}],
            "window": {"days": 6},
            "rewards": [{"points": 25}],
        },
        {
            "key": "hours",
            "objectives": [{**QUALIFYING, "measure": {"distinct": "departments"}, "target": 4}],
            "window": {"hours": 30},
            "repeat": "on_completion",
            "rewards": [{"points": 7}],
        },
        {"key": "rounds", "objectives": [{"on": "visit", "target": 3}], "repeat": "on_completion"},
        {"key": "first", "objectives": [{"on": "visit", "target": 2}], "window": {"calendar": "day"}, "repeat": "once"},
        {
            "key": "march",
            "objectives": [{**QUALIFYING, "measure": {"distinct": "local_day"}, "target": 3}],
            "window": {"from": "2017-03-05T12:00:00Z", "until": "2017-03-25T00:00:00Z"},
        },
        {
            "key": "saver",
            "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 150}],
            "window": {"days": 4},
        },
    ],
    "badges": [
        {"key": "days", **QUALIFYING, "measure": {"distinct": "local_day"}, "levels": [{"target": 2}, {"target": 5}]}
    ],
    "tier_ladders": [
        {"key": "rolling", "measure": {"points": "points"}, "window": {"days": 9}, "tiers": TIERS},
        {"key": "graced", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS, "grace_days": 3},
        {
            "key": "yearly",
            "measure": {"points": "points", "including": "rewards"},
            "window": {"calendar": "month"},
            "tiers": TIERS,
            "downgrade": "at_period_end",
        },
        {
            "key": "reviewed",
            "measure": {"points": "points"},
            "window": {"days": 9},
            "tiers": TIERS,
            "downgrade": "at_period_end",
            "period": "month",
            "grace_days": 2,
        },
        {"key": "kept", "measure": {"points": "points"}, "window": {"days": 2}, "tiers": TIERS, "downgrade": "never"},
    ],
    "leaderboards": [
        {"key": "weekly", "measure": {"points": "points"}, "window": {"calendar": "week"}, "ties": "dense"},
        {"key": "all-time", "measure": {"points": "points", "including": "rewards"}, "ties": "standard"},
    ],
}
"""The kinds and ways that `EVERYTHING` leaves out, in small windows, so that short histories cross their ends."""
