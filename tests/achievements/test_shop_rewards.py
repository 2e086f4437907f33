"""What a marketer can put on the shelf, and what is wrong with what cannot stand there."""

from typing import Any, cast

import pytest

from achievements import periods
from achievements.definitions import Mistaken, document_of, parse
from achievements.parts import Price
from achievements.rewards import RewardReady, Usable
from achievements.rulebook import ready
from tests.achievements.programs import document, rules

CLUB = {
    "key": "club",
    "measure": {"points": "points"},
    "tiers": [{"key": "low"}, {"key": "silver", "from": 100}, {"key": "gold", "from": 200}],
}
SHELF: dict[str, list[dict[str, Any]]] = {
    "tier_ladders": [CLUB],
    "vouchers": [{"key": "ten", "prefix": "TEN-"}, {"key": "cinema", "codes": "pool"}],
    "entitlements": [{"key": "preview", "days": 3}],
    "draws": [{"key": "bike"}],
}
MUG = {"key": "mug", "kind": "product", "price": {"points": 300}}
SESSIONS = [
    {"key": "may", "starts": "2026-05-01T18:00:00Z", "ends": "2026-05-01T20:00:00Z", "capacity": 8},
    {"key": "june", "starts": "2026-06-01T18:00:00Z", "ends": "2026-06-01T20:00:00Z", "capacity": 8},
]
WINDOW = {"from": "2026-05-01T08:00:00Z", "until": "2026-05-02T08:00:00Z"}
ALL: list[dict[str, Any]] = [
    {
        **MUG,
        "name": "A mug",
        "category": "home",
        "image": "https://shop.example/mug.jpg?w=2",
        "texts": {"de": {"name": "Eine Tasse"}, "de-AT": {"name": "Ein Häferl"}},
        "tier_prices": {"club/silver": 250, "club/gold": 200},
        "cost": {"amount": "3.20", "currency": "EUR"},
        "stock": 40,
        "limit": {"at_most": 2, "per": "month"},
        "audience": "member.tiers['club'] != 'low'",
        "starts": "2026-05-01T08:00:00Z",
    },
    {"key": "off", "kind": "discount", "price": {"points": 100}, "gives": [{"voucher": "ten"}], "validity": 30},
    {"key": "film", "kind": "voucher", "gives": [{"voucher": "cinema"}]},
    {"key": "class", "kind": "experience", "price": {"points": 50}, "sessions": SESSIONS},
    {"key": "early", "kind": "early_access", "gives": [{"entitlement": "preview"}], "window": WINDOW},
    {"key": "trees", "kind": "donation", "price": {"points": 10}},
    {"key": "luck", "kind": "draw", "price": {"points": 10}, "gives": [{"draw": "bike", "entries": 2}]},
]


def _reward(key: str) -> RewardReady:
    return cast("RewardReady", rules("UTC", **SHELF, rewards=ALL).by_name[f"rewards/{key}"])


def test_a_shelf_with_every_kind_comes_back_as_it_was_written() -> None:
    program = parse(document(**SHELF, rewards=ALL))
    assert parse(document_of(program)) == program


def test_the_price_is_that_of_the_tier_or_of_one_below_it() -> None:
    def price_of_one_with(*tiers: str) -> Price | None:
        return _reward("mug").price(lambda _, tier: tier in tiers)

    prices = [price_of_one_with(*tiers) for tiers in ((), ("silver",), ("silver", "gold"))]
    assert prices == [Price(300, "points"), Price(250, "points"), Price(200, "points")]
    assert _reward("film").price(lambda *_: True) is None


def test_words_fall_back_from_a_place_to_its_language_and_then_to_the_definition() -> None:
    read = {locale: _reward("mug").text(locale).name for locale in ("de-AT", "de-CH", "de", "fr", None)}
    assert read == {"de-AT": "Ein Häferl", "de-CH": "Eine Tasse", "de": "Eine Tasse", "fr": "A mug", None: "A mug"}


def test_what_is_redeemed_can_be_used_up_to_the_end_of_a_day_or_of_its_dates() -> None:
    at = periods.rfc3339("2026-04-10T12:00:00Z")
    assert _reward("off").usable(at) == Usable(at, periods.rfc3339("2026-05-11T00:00:00Z"))
    assert _reward("mug").usable(at) == Usable(at, None)
    booked = _reward("class")
    assert booked.usable(at, booked.session("june")) == Usable(at, periods.rfc3339("2026-06-01T20:00:00Z"))
    assert _reward("early").usable(at) == Usable(*(periods.rfc3339(each) for each in WINDOW.values()))


def test_a_limit_counts_from_the_beginning_of_the_period_in_the_programs_zone() -> None:
    reward = _reward("mug")
    assert reward.definition.limit is not None
    since = reward.definition.limit.since(periods.rfc3339("2026-04-10T12:00:00Z"), reward.zone)
    assert since == periods.rfc3339("2026-04-01T00:00:00Z")


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"kind": "hat"}, ".kind", "discount"),
        ({"image": "http://shop.example/mug.jpg"}, ".image", "https://"),
        ({"image": "javascript:alert(1)"}, ".image", "https://"),
        ({"image": "//elsewhere.example/mug.jpg"}, ".image", "https://"),
        ({"texts": {"German": {"name": "Tasse"}}}, ".texts", "a locale like"),
        ({"tier_prices": {"gold": 5}}, ".tier_prices", "like `club/gold`"),
        ({"tier_prices": {"club/brass": 5}}, ".tier_prices", "`club` has: low, silver, gold"),
        ({"tier_prices": {"club/gold": 300}}, ".tier_prices", "below the `price`"),
        ({"price": None, "tier_prices": {"club/gold": 5}}, ".tier_prices", "free"),
        ({"price": {"points": 5, "currency": "gems"}}, ".price.currency", "no currency `gems`"),
        ({"cost": {"amount": "-1", "currency": "EUR"}}, ".cost.amount", "between 0"),
        ({"cost": {"amount": "1", "currency": "euro"}}, ".cost.currency", "three letters"),
        ({"limit": {"at_most": 0}}, ".limit.at_most", "from 1 to"),
        ({"gives": [{"voucher": "tea"}]}, ".gives[0].voucher", "no voucher `tea`"),
        ({"gives": [{"points": 5}]}, ".gives", "no points"),
        ({"gives": [{"voucher": "ten", "days": 5}]}, ".gives", "validity"),
        ({"kind": "voucher"}, ".gives", "gives a voucher"),
        ({"kind": "experience"}, ".sessions", "at least one"),
        ({"sessions": SESSIONS}, ".sessions", "kind: experience"),
        ({"kind": "experience", "sessions": [SESSIONS[0], SESSIONS[0]]}, ".sessions", "the same key"),
        (
            {"kind": "experience", "sessions": [{**SESSIONS[0], "ends": "2026-05-01T18:00:00Z"}]},
            ".sessions[0].ends",
            "comes after",
        ),
        ({"kind": "early_access", "gives": [{"entitlement": "preview"}]}, ".window", "early_access"),
        ({"window": WINDOW}, ".window", "kind: early_access"),
        ({"kind": "experience", "sessions": SESSIONS, "validity": 3}, ".validity", "has its dates"),
        ({"audience": "event.amount > 1.0"}, ".audience", ""),
        ({"stock": -1}, ".stock", ""),
    ],
)
def test_what_cannot_stand_there_is_told_with_its_place(change: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(**SHELF, rewards=[{**MUG, **change}])))
    (mistake,) = raised.value.mistakes
    assert mistake.path.startswith(f"rewards[0]{path}"), mistake
    assert words in mistake.message


@pytest.mark.parametrize(
    ("voucher", "field"),
    [({"bits": 64}, "bits"), ({"prefix": "ten"}, "prefix"), ({"codes": "pool", "prefix": "A"}, "prefix")],
)
def test_codes_are_long_and_their_prefix_is_plain(voucher: dict[str, Any], field: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(vouchers=[{"key": "ten", **voucher}])))
    (mistake,) = raised.value.mistakes
    assert mistake.path == f"vouchers[0].{field}"


@pytest.mark.parametrize("given", [{"points": 5}, {"badge": "first"}, {"tier": "gold"}])
def test_an_automatic_reward_gives_what_calls_for_no_other_decision(given: dict[str, Any]) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(**SHELF, auto_rewards=[{"key": "a", "at": 5, "rewards": [given]}])))
    (mistake,) = raised.value.mistakes
    assert mistake.path == "auto_rewards[0].rewards"
    assert "voucher, entitlement or draw" in mistake.message
