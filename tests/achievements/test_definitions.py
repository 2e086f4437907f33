"""Mistakes in a document: each is found, with its path and a way out, and several at a time."""

from typing import Any

import pytest

from achievements.conditions import Environment
from achievements.definitions import Mistaken, definition_of, parse, plain
from achievements.events import EventType
from achievements.rulebook import ready
from tests.achievements.programs import EVERYTHING, document

COUNT = {"key": "x", "objectives": [{"on": "purchase", "target": 5}]}


def challenge(**changes: Any) -> dict[str, Any]:
    return {"challenges": [{**COUNT, **changes}]}


def objective(**changes: Any) -> dict[str, Any]:
    return challenge(objectives=[{"on": "purchase", "target": 5, **changes}])


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


@pytest.mark.parametrize(
    ("change", "path", "words"), MISTAKES, ids=[f"{path}: {words}"[:60] for _, path, words in MISTAKES]
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
    for section, definition in parse(document(**EVERYTHING)):
        assert definition_of(section, plain(definition)) == definition


def test_a_condition_that_fails_counts_as_not_met() -> None:
    environment = Environment({"amount": "decimal", "n": "int"})
    missing = environment.compile("event.amount > 1.0")
    assert not missing.holds(environment.activation({}, {}))
    assert not environment.compile("1 / event.n > 0").holds(environment.activation({"n": 0}, {}))
    loops = "[1,2,3,4,5,6,7,8,9,10]"
    endless = " && ".join(
        f"{loops}.all(a{i}, {loops}.all(b{i}, {loops}.all(c{i}, {loops}.all(d{i}, true))))" for i in range(8)
    )
    assert not environment.compile(endless).holds(environment.activation({}, {}))


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"amount": "-0.01"}, "properties.amount"),
        ({"amount": "1e400"}, "properties.amount"),
        ({"amount": "1e999999999"}, "properties.amount"),
        ({"amount": "1e-999999999"}, "properties.amount"),
        ({"amount": "1." + "0" * 62 + "e5"}, "properties.amount"),
        ({"amount": "1_000"}, "properties.amount"),
        ({"amount": " 5 "}, "properties.amount"),
        ({"amount": 1e300}, "properties.amount"),
        ({"amount": "NaN"}, "properties.amount"),
        ({"amount": True}, "properties.amount"),
        ({"amount": 0.1 + 0.2}, "properties.amount"),
        ({"amount": "12,50"}, "properties.amount"),
        ({"departments": "DAIRY"}, "properties.departments"),
        ({"departments": [1]}, "properties.departments"),
        ({"departments": ["x"] * 201}, "properties.departments"),
        ({"count": 2**60}, "properties.count"),
        ({"count": 1.5}, "properties.count"),
        ({"count": -6}, "properties.count"),
        ({"when": "yesterday"}, "properties.when"),
        ({"label": "x" * 1001}, "properties.label"),
        ({"needed": None}, "properties.needed"),
    ],
)
def test_a_property_of_the_wrong_shape_is_told(properties: dict[str, Any], path: str) -> None:
    kind = EventType(
        key="purchase",
        properties=definition_of(
            "event_types",
            {
                "key": "purchase",
                "properties": {
                    "amount": "decimal",
                    "departments": "list[string]",
                    "count": {"type": "int", "min": "-5"},
                    "when": "datetime",
                    "label": "string",
                    "needed": {"type": "bool", "required": True},
                },
            },
        ).properties,  # type: ignore[attr-defined]
    )
    _, mistakes = kind.read({"needed": True, **properties})
    assert [each.path for each in mistakes] == [path]


def test_decimals_and_numbers_are_read_exactly() -> None:
    kind = EventType(key="purchase", properties={"amount": "decimal"})
    for written, exact in [("19.99", "19.99"), (19.99, "19.99"), (20, "20"), ("0.10", "0.10")]:
        values, mistakes = kind.read({"amount": written})
        assert (str(values["amount"]), mistakes) == (exact, [])
