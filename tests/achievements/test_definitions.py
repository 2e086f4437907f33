"""Mistakes in a document: each is found, with its path and a way out, and several at a time."""

from datetime import UTC, datetime
from typing import Any

import pytest

from achievements.definitions import Mistaken, definition_of, document_of, parse, plain
from achievements.rulebook import ready
from tests.achievements.programs import EVERYTHING, EXACT, document

COUNT = {"key": "x", "objectives": [{"on": "purchase", "target": 5}]}


def challenge(**changes: Any) -> dict[str, Any]:
    return {"challenges": [{**COUNT, **changes}]}


def objective(**changes: Any) -> dict[str, Any]:
    return challenge(objectives=[{"on": "purchase", "target": 5, **changes}])


def prizes(prize: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A leaderboard with a prize."""
    given = {"rewards": [{"points": 1}], **prize}
    board = {"key": "b", "measure": {"points": "points"}, "window": {"calendar": "week"}, "prizes": [given], **changes}
    return {"leaderboards": [board]}


def earn(**changes: Any) -> dict[str, Any]:
    return {"earn_rules": [{"key": "r", "on": "purchase", "earn": {"fixed": 1}, **changes}]}


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"chalenges": []}, "chalenges", "did you mean `challenges`"),
    (objective(targt=5), "challenges[0].objectives[0].targt", "did you mean `target`"),
    (
        objective(target=0),
        "challenges[0].objectives[0].target",
        "expected a whole number from 1 to 1000000000; got `0`",
    ),
    (objective(target=5.5), "challenges[0].objectives[0].target", "got `5.5`"),
    (objective(target=None), "challenges[0].objectives[0].target", "got nothing"),
    (
        objective(on="visited"),
        "challenges[0].objectives[0].on",
        "no event type `visited`; the program defines: purchase, visit",
    ),
    (objective(on=None), "challenges[0].objectives[0].on", "on: EVENT_TYPE"),
    (
        objective(on=[]),
        "challenges[0].objectives[0].on",
        "expected a key or a list of 1 to 20 entries; got an empty list",
    ),
    (
        objective(measure="total"),
        "challenges[0].objectives[0].measure",
        "expected `count` or a mapping with the keys sum, distinct, points, including; got `total`",
    ),
    (objective(measure={"sum": "departments"}), "challenges[0].objectives[0].measure", "needs a number"),
    (objective(measure={"sum": "amout"}), "challenges[0].objectives[0].measure", "no property `amout`"),
    (objective(measure={"distinct": "amount"}), "challenges[0].objectives[0].measure", "strings or whole numbers"),
    (
        objective(measure={"sum": "amount", "distinct": "departments"}),
        "challenges[0].objectives[0].measure",
        "exactly one",
    ),
    (objective(measure={"points": "gems"}), "challenges[0].objectives[0].measure.points", "no currency `gems`"),
    (objective(measure={"distinct": "departments"}, target=5000), "challenges[0].objectives[0].target", "at most 1000"),
    (challenge(window="forever"), "challenges[0].window", "a window is `lifetime`"),
    (
        challenge(window={"calendar": "fortnight"}),
        "challenges[0].window.calendar",
        "expected one of day, week, month, quarter, year, lifetime; got `fortnight`",
    ),
    (
        challenge(window=5),
        "challenges[0].window",
        "expected a mapping with the keys calendar, days, hours, from, until or text; got `5`",
    ),
    (challenge(repeat="each_window"), "challenges[0].repeat", "a lifetime is completed `once`"),
    (challenge(rewards=[{"points": 5, "currency": "gems"}]), "challenges[0].rewards[0].currency", "no currency `gems`"),
    (challenge(rewards=[{"points": -5}]), "challenges[0].rewards[0].points", "got `-5`"),
    (challenge(key="Über uns"), "challenges[0].key", "a key is"),
    (challenge(name=""), "challenges[0].name", "expected text of 1 to 200 characters; got an empty text"),
    (challenge(description="x" * 2001), "challenges[0].description", "…`, 2001 characters"),
    ({"challenges": [COUNT, COUNT]}, "challenges[1].key", "is the key of challenges[0] too"),
    ({"challenges": ["x"]}, "challenges[0]", "expected a mapping with the keys key, name,"),
    ({"challenges": {"x": 1}}, "challenges", "expected a list"),
    (
        earn(when="event.amount >= 100"),
        "earn_rules[0].when",
        "at 1:14: found no matching overload for '_>=_' applied to '(double, int)'; write the number with a decimal point",
    ),
    (earn(when="event.amout > 1.0"), "earn_rules[0].when", "this event type has: event.amount, event.departments"),
    (earn(when="event.amount + 1.0 > 2.0"), "earn_rules[0].when", "can be compared, but not added"),
    (earn(when="event.amount >"), "earn_rules[0].when", "at 1:"),
    (earn(when="1 + 1"), "earn_rules[0].when", "true or false"),
    (earn(when="true || " * 400 + "true"), "earn_rules[0].when", "at most 2000 characters"),
    (earn(earn={"fixed": 1, "per": "amount"}), "earn_rules[0].earn", "either"),
    (earn(earn={"per": "departments"}), "earn_rules[0].earn.per", "needs a number"),
    (earn(earn={"per": "amount", "rate": "-1"}), "earn_rules[0].earn.rate", "above 0"),
    (earn(earn={"per": "amount", "rate": "NaN"}), "earn_rules[0].earn.rate", "above 0"),
    (
        earn(earn={"per": "amount", "rounding": "up"}),
        "earn_rules[0].earn.rounding",
        "expected one of floor, ceiling, half_up, half_even; got `up`",
    ),
    (earn(earn={"per": "amount", "rate": "lots"}), "earn_rules[0].earn.rate", "expected a number; got `lots`"),
    (earn(earn={"fixed": True}), "earn_rules[0].earn.fixed", "got `true`"),
    (
        {"streaks": [{"key": "s", "on": "purchase", "period": "year"}]},
        "streaks[0].period",
        "expected one of day, week, month; got `year`",
    ),
    (
        {"badges": [{"key": "b", "on": "purchase", "levels": [{"target": 5}, {"target": 2}]}]},
        "badges[0].levels",
        "lowest target first",
    ),
    ({"badges": [{"key": "b", "on": "purchase", "levels": []}]}, "badges[0].levels", "expected a list of 1 to "),
    ({"leaderboards": [{"key": "b", "measure": {"sum": "amount"}}]}, "leaderboards[0].measure", "measures points"),
    (
        {"event_types": [{"key": "purchase", "properties": {"amount": "money"}}]},
        "event_types[0].properties.amount",
        "no type `money`",
    ),
    (
        {"event_types": [{"key": "purchase", "properties": {"a": {"type": "string", "min": "1"}}}]},
        "event_types[0].properties.a.min",
        "a number",
    ),
    (
        {"event_types": [{"key": "purchase", "properties": {"ok": "int", "a": {"type": "int", "min": "low"}}}]},
        "event_types[0].properties.a.min",
        "expected a number; got `low`",
    ),
    (
        {"event_types": [{"key": "purchase", "properties": {"ok": "int", "Not ok": "int"}}]},
        "event_types[0].properties.Not ok",
        "a property's name is",
    ),
    ({"event_types": [{"key": "purchase", "properties": {5: "int"}}]}, "event_types[0].properties[5]", "a key is text"),
    (
        {"event_types": [{"key": "b", "properties": {"amount": {"typ": "decimal"}}}]},
        "event_types[0]",
        "unknown key `typ`",
    ),
    (
        {"event_types": [{"key": "b", "properties": {"a": {"type": "int", "min": "NaN"}}}]},
        "event_types[0]",
        "is a number",
    ),
    (earn(when="'add_double' != '' && event.amount + 1.0 > 2.0"), "earn_rules[0].when", "not added"),
    ({"currencies": []} | earn(), "earn_rules[0].earn.currency", "defines none"),
    ({"program": {"key": "x", "timezone": "Mars/Olympus"}}, "program.timezone", "no IANA time zone"),
    ({"program": {"name": "x"}}, "program", "`key` is missing"),
]


LADDER = {"key": "l", "measure": {"points": "points"}, "tiers": [{"key": "low"}, {"key": "high", "from": 10}]}


def ladder(**changes: Any) -> dict[str, Any]:
    return {"tier_ladders": [{**LADDER, **changes}]}


def streak(**changes: Any) -> dict[str, Any]:
    return {"streaks": [{"key": "s", "on": "purchase", "period": "day", **changes}]}


def boost(**changes: Any) -> dict[str, Any]:
    return {**earn(), **ladder(), "boosts": [{"key": "b", "factor": 2, **changes}]}


MISTAKES_OF_MORE_KINDS: list[tuple[dict[str, Any], str, str]] = [
    (challenge(window={}), "challenges[0].window", "exactly one of"),
    (challenge(window={"days": 30, "hours": 720}), "challenges[0].window", "exactly one of"),
    (challenge(window={"days": 0}), "challenges[0].window.days", "a whole number from 1 to 400; got `0`"),
    (challenge(window={"hours": 99999}), "challenges[0].window.hours", "from 1 to 2160"),
    (challenge(window={"from": "2017-01-01T00:00:00Z"}), "challenges[0].window.from", "needs `until` too"),
    (challenge(window={"until": "2017-01-01T00:00:00Z"}), "challenges[0].window.until", "needs `from` too"),
    (
        challenge(window={"from": "2017-01-02T00:00:00Z", "until": "2017-01-02T00:00:00Z"}),
        "challenges[0].window.until",
        "`until` comes after `from`",
    ),
    (challenge(window={"from": 2017, "until": 2018}), "challenges[0].window.from", "expected an instant; got `2017`"),
    (
        challenge(window={"from": "2017-01-01", "until": "2017-02-01"}),
        "challenges[0].window.from",
        "with its offset, like `2026-11-21T18:30:00Z`; got `2017-01-01`",
    ),
    (
        challenge(window={"from": "2017-02-30T00:00:00Z", "until": "2017-03-01T00:00:00Z"}),
        "challenges[0].window.from",
        "is no instant",
    ),
    (challenge(window={"days": 7}, repeat="each_window"), "challenges[0].repeat", "goes with a calendar window"),
    (
        challenge(repeat="daily"),
        "challenges[0].repeat",
        "expected one of once, each_window, on_completion; got `daily`",
    ),
    (earn(earn={"each": "departments"}), "earn_rules[0].earn.points", "go together"),
    (
        earn(earn={"each": "amount", "points": 5}),
        "earn_rules[0].earn.each",
        "needs a list, and `amount` of `purchase` is a decimal",
    ),
    (earn(earn={"each": "items", "points": 5}), "earn_rules[0].earn.each", "has no property `items`"),
    (
        earn(earn={"fixed": 1, "bands": [{"from": 0, "rate": 1}]}),
        "earn_rules[0].earn.bands",
        "bands go with `per: PROPERTY`",
    ),
    (
        earn(earn={"per": "amount", "bands": [{"from": 5, "rate": 1}, {"from": 5, "rate": 2}]}),
        "earn_rules[0].earn.bands",
        "each beginning above the one before",
    ),
    (
        earn(earn={"per": "amount", "bands": [{"from": -1, "rate": 1}]}),
        "earn_rules[0].earn.bands[0].from",
        "begins between 0",
    ),
    (earn(limits={"per_event": 0}), "earn_rules[0].limits.per_event", "got `0`"),
    (
        earn(
            limits={
                "per_member": {"points": 5, "window": {"from": "2017-01-01T00:00:00Z", "until": "2018-01-01T00:00:00Z"}}
            }
        ),
        "earn_rules[0].limits.per_member.window",
        "a limit's window is",
    ),
    (boost(factor=-1), "boosts[0].factor", "between 0 and 1000"),
    (boost(stacking="sum"), "boosts[0].stacking", "expected one of compound, additive, highest; got `sum`"),
    (boost(earn_rules=["basis"]), "boosts[0].earn_rules[0]", "no earn rule `basis`; the program defines: r"),
    (boost(audience="event.amount > 1.0"), "boosts[0].audience", "by the member alone"),
    (
        boost(audience="member.tiers['gold'] == 'x'"),
        "boosts[0].audience",
        "no tier ladder `gold`; the program defines: l",
    ),
    (boost(audience="member.balance > 5"), "boosts[0].audience", "is a spend rule or an automatic reward"),
    (boost(audience="member.tiers['l'] > 5"), "boosts[0].audience", "no matching overload"),
    (boost(**{"from": "soon"}), "boosts[0].from", "write an instant with its offset"),
    (earn(when="member.points('points') > 100"), "earn_rules[0].when", "what depends on a balance"),
    (objective(measure={"balance": "points"}), "challenges[0].objectives[0].measure.balance", "reads a balance"),
    (streak(freezes={}), "streaks[0].freezes", "either `cooldown: PERIODS`, or `start`"),
    (streak(freezes={"cooldown": 4, "start": 1}), "streaks[0].freezes", "either `cooldown: PERIODS`, or `start`"),
    (streak(freezes={"cooldown": 0}), "streaks[0].freezes.cooldown", "got `0`"),
    (streak(freezes={"start": 3, "hold_at_most": 2}), "streaks[0].freezes", "at most `hold_at_most`"),
    (streak(freezes={"earn_every": 4}), "streaks[0].freezes", "needs `hold_at_most`"),
    (ladder(tiers=[{"key": "one"}]), "tier_ladders[0].tiers", "expected a list of 2 to 20 entries"),
    (ladder(tiers=[{"key": "a", "from": 1}, {"key": "b", "from": 5}]), "tier_ladders[0].tiers", "it is everybody's"),
    (
        ladder(tiers=[{"key": "a"}, {"key": "b", "from": 5}, {"key": "c", "from": 5}]),
        "tier_ladders[0].tiers",
        "lowest first",
    ),
    (ladder(tiers=[{"key": "a"}, {"key": "b"}]), "tier_ladders[0].tiers", "with a `from`"),
    (ladder(tiers=[{"key": "a"}, {"key": "a", "from": 5}]), "tier_ladders[0].tiers", "the same key"),
    (ladder(measure={"sum": "amount"}), "tier_ladders[0].measure", "a ladder measures points"),
    (ladder(window={"hours": 5}), "tier_ladders[0].window", "a ladder's window is"),
    (ladder(window={"days": 5}, downgrade="at_period_end"), "tier_ladders[0].period", "goes with"),
    (ladder(window={"calendar": "year"}, period="month"), "tier_ladders[0].period", "goes with"),
    (ladder(window={"calendar": "year"}, downgrade="at_anniversary"), "tier_ladders[0].downgrade", "a window of days"),
    (ladder(downgrade="never", grace_days=3), "tier_ladders[0].grace_days", "no grace"),
    ({"spend_rules": [{"key": "s", "on": "purchase"}]}, "spend_rules[0]", "`spend` is missing"),
    (
        {"spend_rules": [{"key": "s", "on": "purchase", "spend": {"points": 5, "currency": "gems"}}]},
        "spend_rules[0].spend.currency",
        "no currency `gems`",
    ),
    ({"auto_rewards": [{"key": "a", "at": 0}]}, "auto_rewards[0].at", "got `0`"),
    ({"auto_rewards": [{"key": "a", "at": 5, "currency": "gems"}]}, "auto_rewards[0].currency", "no currency `gems`"),
    (
        {"leaderboards": [{"key": "b", "measure": {"points": "points"}, "window": {"days": 7}}]},
        "leaderboards[0].window",
        "a leaderboard's window is",
    ),
    (
        {"leaderboards": [{"key": "b", "measure": {"points": "points"}, "ties": "random"}]},
        "leaderboards[0].ties",
        "expected one of first_to_reach, standard, dense, ordinal; got `random`",
    ),
    (
        {"leaderboards": [{"key": "b", "measure": {"points": "points"}, "group_by": "city"}]},
        "leaderboards[0].group_by",
        "no attribute `city`",
    ),
    (
        {"leaderboards": [{"key": "b", "measure": {"points": "points"}, "group_by": "tiers.club"}]},
        "leaderboards[0].group_by",
        "no tier ladder `club`",
    ),
    (
        {
            "attributes": [{"key": "age", "type": "int"}],
            "leaderboards": [{"key": "b", "measure": {"points": "points"}, "group_by": "age"}],
        },
        "leaderboards[0].group_by",
        "`age` is a int, and has to be a string",
    ),
    (prizes({"rank": 1, "percent": 5}), "leaderboards[0].prizes[0]", "exactly one of `rank: 1`"),
    (prizes({}), "leaderboards[0].prizes[0]", "exactly one of `rank: 1`"),
    (prizes({"rank": 3, "to": 2}), "leaderboards[0].prizes[0].to", "not before it"),
    (prizes({"rank": 1, "rewards": []}), "leaderboards[0].prizes[0].rewards", "say what is given"),
    (prizes({"rank": 1, "groups": ["x"]}), "leaderboards[0].prizes[0].groups", "no groups"),
    (prizes({"rank": 1, "rewards": [{"badge": "x"}]}), "leaderboards[0].prizes[0].rewards[0].badge", "no badge `x`"),
    (prizes({"rank": 1}, window="lifetime"), "leaderboards[0].ends", "closed when it ends"),
    (
        prizes({"rank": 1}, measure={"points": "points", "including": "rewards"}),
        "leaderboards[0].prizes",
        "its own rewards count towards it",
    ),
]


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [*MISTAKES, *MISTAKES_OF_MORE_KINDS],
    ids=[f"{path}: {words}"[:60] for _, path, words in [*MISTAKES, *MISTAKES_OF_MORE_KINDS]],
)
def test_a_mistake_is_found(change: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as caught:
        ready(parse({**document(), **change}))
    assert any(each.path.startswith(path) for each in caught.value.mistakes), caught.value
    assert words in str(caught.value)


def test_every_mistake_is_told_at_once() -> None:
    wrong = document(**earn(when="event.amout > 1.0"), **challenge(rewards=[{"points": 5, "currency": "gems"}]))
    with pytest.raises(Mistaken) as caught:
        ready(parse(wrong))
    assert [each.path for each in caught.value.mistakes] == ["earn_rules[0].when", "challenges[0].rewards[0].currency"]


def test_a_reward_may_not_count_towards_itself() -> None:
    saver = {
        "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 10}],
        "rewards": [{"points": 5}],
    }
    with pytest.raises(Mistaken, match="its own rewards count towards it; leave out"):
        ready(parse(document(challenges=[{"key": "one", **saver}])))
    with pytest.raises(Mistaken, match="its own rewards count towards it through challenges/two"):
        ready(parse(document(challenges=[{"key": "one", **saver}, {"key": "two", **saver}])))


@pytest.mark.parametrize("wrong", [None, [], "program", 5])
def test_what_is_no_document_is_refused(wrong: object) -> None:
    with pytest.raises(Mistaken, match="a program is a mapping"):
        parse(wrong)


def test_a_document_nested_without_end_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(Mistaken, match="nested at most 20 deep"):
        parse({**document(), "badges": deep})


def test_an_instant_may_come_as_one() -> None:
    window = {"from": datetime(2017, 1, 1, tzinfo=UTC), "until": "2017-02-01T00:00:00+01:00"}
    program = parse({**document(), **challenge(window=window)})
    assert document_of(program)["challenges"][0]["window"]["from"] == "2017-01-01T00:00:00Z"


def test_text_that_cannot_be_stored_is_refused() -> None:
    for text in ("a\x00b", "a\ud800b"):
        with pytest.raises(Mistaken, match="cannot be stored"):
            parse({**document(), **challenge(name=text)})


def test_a_document_that_unfolds_without_end_is_refused() -> None:
    laughs: list[object] = ["ha"] * 10
    for _ in range(12):
        laughs = [laughs] * 10
    with pytest.raises(Mistaken, match="at most 50000 values"):
        parse({**document(), "badges": laughs})


def test_a_definition_survives_being_stored() -> None:
    for section, definition in (*parse(document(**EVERYTHING)), *parse(document(**EXACT))):
        assert definition_of(section, plain(definition)) == definition
