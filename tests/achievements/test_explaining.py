"""Explanations: the law that they agree with the outcomes, and by hand what they say to whom."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold, keeping
from achievements.controls import Share
from achievements.definitions import parse
from achievements.explaining import Explained, explain_event, explain_member
from achievements.outcomes import AnyOutcome, BadgeAwarded, ConditionFailed, Emitted, HeldOut, PointsEarned
from achievements.rulebook import Rulebook, ready
from achievements.states import BEGINNING, MemberState
from achievements.tracing import Reason
from achievements.trials import origin_of
from achievements.values import Event, Input
from tests.achievements import diary
from tests.achievements.histories import histories
from tests.achievements.programs import EVERYTHING, EXACT, document
from tests.achievements.random_programs import documents

some = settings(max_examples=40, deadline=None)
AT = datetime(2017, 3, 1, 17, tzinfo=UTC)
known = st.sampled_from([document(**EVERYTHING), document(**EXACT)])
FIELDS = {
    "streak": "streaks",
    "challenge": "challenges",
    "badge": "badges",
    "ladder": "tier_ladders",
    "board": "leaderboards",
    "referral": "referrals",
    "rule": "spend_rules",
}


def _of(outcome: Emitted) -> str:
    """The definition that an outcome is of."""
    identity = getattr(outcome, "lot", None) or getattr(outcome, "reward", None)
    if identity is not None:
        return "/".join(origin_of(identity))
    return next(f"{section}/{getattr(outcome, field)}" for field, section in FIELDS.items() if hasattr(outcome, field))


@some
@given(known | documents, histories(), st.integers(0, 99))
def test_explanations_agree_with_outcomes(written: dict[str, Any], inputs: list[Input], seed: int) -> None:
    book = Rulebook(1, [(BEGINNING, ready(parse(written)))])
    state = MemberState(seed=seed)
    for each in inputs:
        if isinstance(each, Event):
            before, _ = fold.advance(book, state, each.at)
            after, emitted = fold.apply(book, before, each)
            changed = {name for name in after.parts if after.parts[name] != before.parts.get(name)}
            # What is counted of a control group is counted apart.
            changed = {name for name in changed if not name.startswith("held_out/")}
            changed |= {_of(outcome) for outcome in emitted if not isinstance(outcome, ConditionFailed | HeldOut)}
            # It counted for what gave her something else that she is held out from.
            withheld = (each for each in emitted if isinstance(each, HeldOut) and each.what.startswith("reward/"))
            givers = {("/".join(origin_of(each.what.removeprefix("reward/"))), each.definition) for each in withheld}
            changed |= {giver for giver, definition in givers if giver != definition}
            failed = {each.key for each in emitted if isinstance(each, ConditionFailed)}
            explained = explain_event(book, state, each)
            assert {f"{one.section}/{one.key}" for one in explained} == set(book.latest.by_name)
            assert {f"{one.section}/{one.key}" for one in explained if one.counted} == changed
            assert {one.key for one in explained if one.reason is Reason.CONDITION_FAILED} <= failed
            assert all(one.told.endswith(".") for one in explained)
        state, _ = fold.apply(book, state, each)
    ahead = explain_member(book, state, state.at)
    assert all(one.told.endswith(".") for one in ahead)


SHOP: dict[str, list[dict[str, Any]]] = {
    "attributes": [{"key": "plan", "type": "string", "default": "free"}],
    "currencies": [{"key": "points", "name": "Beans"}],
    "earn_rules": [
        {"key": "base", "name": "A bean a dollar", "on": "purchase", "earn": {"per": "amount"}},
        {"key": "big", "on": "purchase", "when": "event.amount >= 100.0", "earn": {"fixed": 50}},
    ],
    "streaks": [{"key": "weekly", "name": "Weeks in a row", "on": "purchase", "period": "week"}],
    "challenges": [
        {
            "key": "days",
            "name": "Three days this month",
            "objectives": [{"on": "purchase", "measure": {"distinct": "local_day"}, "target": 3}],
            "window": {"calendar": "month"},
        },
        {"key": "paid", "audience": "member.plan == 'paid'", "objectives": [{"on": "purchase", "target": 5}]},
        {"key": "joined", "join": "opt_in", "objectives": [{"on": "purchase", "target": 5}]},
        {
            "key": "may",
            "objectives": [{"on": "purchase", "target": 5}],
            "window": {"from": "2017-05-01T00:00:00Z", "until": "2017-06-01T00:00:00Z"},
        },
    ],
    "badges": [
        {"key": "regular", "on": "purchase", "levels": [{"target": 2, "name": "Regular"}, {"target": 9}]},
        {"key": "secret", "hidden": True, "on": "purchase", "levels": [{"target": 5}]},
    ],
    "tier_ladders": [
        {
            "key": "club",
            "measure": {"points": "points"},
            "window": {"days": 365},
            "tiers": [{"key": "bronze"}, {"key": "silver", "name": "Silver", "from": 20}, {"key": "gold", "from": 500}],
        }
    ],
}
BOOK = Rulebook(1, [(BEGINNING, ready(parse(document("America/New_York", **SHOP))))])


def _lived(*lines: str) -> MemberState:
    """The state after purchases at noon in New York: `03-01 12.50`."""
    state = MemberState.NOTHING
    for number, line in enumerate(lines):
        state, _ = fold.apply(BOOK, state, _event(f"e{number}", line))
    return state


def _event(identity: str, line: str, kind: str = "purchase") -> Event:
    day, *rest = line.split()
    at = datetime.fromisoformat(f"2017-{day} 17:00").replace(tzinfo=UTC)
    return diary.event(identity, at, [kind, *rest])


def _by_key(explained: tuple[Explained, ...]) -> dict[str, Explained]:
    return {each.key: each for each in explained}


def test_what_an_event_did_and_why_not() -> None:
    told = _by_key(explain_event(BOOK, _lived("03-01 12"), _event("e9", "03-02 12.50")))
    assert {key: each.told for key, each in told.items()} == {
        "base": "It gave 12 Beans.",
        "big": "Its condition is not met: `event.amount >= 100.0`; the event had amount 12.50.",
        "weekly": "This period counted already, by something earlier.",
        "days": "It came to 2 of 3.",
        "paid": "The member was not in its audience.",
        "joined": "The member had not joined it.",
        "may": "This was not in the time for which it runs.",
        "regular": "The level Regular was awarded.",
        "secret": "It came to 2.",
        "club": "From bronze to Silver, with 24 points.",
    }
    members = {key: each.told_member for key, each in told.items()}
    assert (members["big"], members["paid"], members["secret"]) == ("This was not of the kind that counts.", None, None)
    assert members["joined"] == "You had not joined it."


def test_what_was_completed_counts_no_more() -> None:
    told = _by_key(explain_event(BOOK, _lived("03-01 1", "03-02 1", "03-03 1"), _event("e9", "03-04 1")))
    assert (told["days"].reason, told["days"].told) == (Reason.ALREADY_COMPLETED, "It was completed before.")
    told = _by_key(explain_event(BOOK, MemberState.NOTHING, _event("e9", "03-04", "visit")))
    assert {each.reason for key, each in told.items() if key != "club"} == {Reason.OTHER_TYPE}
    assert told["club"].reason is Reason.NO_POINTS


def test_what_is_missing_to_the_next_step() -> None:
    at = datetime(2017, 3, 2, 18, tzinfo=UTC)
    state, _ = fold.advance(BOOK, _lived("03-01 12", "03-02 12.50"), at)
    told = {key: each.told for key, each in _by_key(explain_member(BOOK, state, at)).items()}
    assert told == {
        "weekly": "It is 1 long, and this week is done.",
        "days": "1 more day, by the end of Friday, 31 March 2017.",
        "joined": "It has to be joined first.",
        "may": "It has not begun.",
        "regular": "7 more times until 9.",
        "secret": "3 more times until 5.",
        "club": "476 more Beans until gold. Silver is held up to Wednesday, 28 February 2018, if no more points come.",
    }
    assert _by_key(explain_member(BOOK, state, at))["secret"].told_member is None


def test_a_streak_says_by_when() -> None:
    at = datetime(2017, 3, 6, 18, tzinfo=UTC)
    state, _ = fold.advance(BOOK, _lived("03-01 1"), at)
    told = _by_key(explain_member(BOOK, state, at))["weekly"].told
    assert told == "It is 1 long; something that counts makes it 2, up to the end of Sunday, 12 March 2017."


GYM: dict[str, list[dict[str, Any]]] = {
    "streaks": [
        {
            "key": "fit",
            "objectives": [
                {"on": "visit", "target": 3},
                {"on": "purchase", "measure": {"sum": "amount"}, "target": 20},
            ],
            "period": "week",
        },
        {"key": "days", "on": "visit", "period": "day", "freezes": {"cooldown": 9}, "restore": {"within": 2}},
    ]
}


def _gym(*lines: str) -> tuple[Rulebook, MemberState]:
    book, state = Rulebook(1, [(BEGINNING, ready(parse(document("America/New_York", **GYM))))]), MemberState.NOTHING
    for number, line in enumerate(lines):
        day, *words = line.split()
        at = datetime.fromisoformat(f"2017-{day} 17:00").replace(tzinfo=UTC)
        state, _ = fold.apply(book, state, diary.happened(f"e{number}", at, words))
    return book, state


def _ahead(day: str, *lines: str) -> dict[str, str]:
    book, state = _gym(*lines)
    at = datetime.fromisoformat(f"2017-{day} 18:00").replace(tzinfo=UTC)
    state, _ = fold.advance(book, state, at)
    return {key: each.told for key, each in _by_key(explain_member(book, state, at)).items()}


def test_a_period_says_what_it_has_come_to_and_what_it_lacks() -> None:
    book, state = _gym("03-06 visit", "03-07 purchase 30.50")
    told = _by_key(explain_event(book, state, _event("e9", "03-08", "visit")))["fit"]
    assert (told.reason, told.told) == (
        Reason.COUNTED,
        "It came to 2 of 3, 30.50 of 20: this week does not count yet.",
    )
    told = _by_key(explain_event(book, state, _event("e9", "03-08 0.00")))["fit"]
    assert (told.reason, told.told) == (Reason.NOTHING_NEW, "This added nothing new to it.")
    lived = ("03-06 visit", "03-07 purchase 5.50", "03-08 visit")
    by = "up to the end of Sunday, 12 March 2017."
    assert _ahead("03-08", *lived)["fit"] == f"1 more time and 14.50 more of amount begin it, {by}"
    book, state = _gym(*lived, "03-09 visit")
    told = _by_key(explain_event(book, state, _event("e9", "03-09 14.50")))["fit"]
    assert (told.reason, told.told) == (Reason.COUNTED, "It is now 1 long.")
    _, done = _gym(*lived, "03-09 visit", "03-09 purchase 14.50")
    told = _by_key(explain_event(book, done, _event("e9", "03-10", "visit")))["fit"]
    assert (told.reason, told.told) == (Reason.ALREADY_COUNTED, "This period counted already, by something earlier.")


def test_what_saved_a_streak_and_what_still_can() -> None:
    lived = ("03-01 visit", "03-02 visit")
    frozen = "It is 2 long; something that counts makes it 3, up to the end of Saturday, 4 March 2017."
    assert _ahead("03-04", *lived)["days"] == f"{frozen} A freeze stood in for Friday, 3 March 2017."
    begins = "Something that counts begins it, up to the end of Sunday, 5 March 2017."
    broke = "It was 2 long until Saturday, 4 March 2017 was missed"
    open_to = "and can be restored up to the end of Monday, 6 March 2017."
    assert _ahead("03-05", *lived)["days"] == f"{begins} {broke}, {open_to}"
    restored = (*lived, "03-05 !streak_restored streak=days")
    assert _ahead("03-05", *restored)["days"] == (
        "It is 2 long; something that counts makes it 3, up to the end of Sunday, 5 March 2017."
        " A freeze stood in for Friday, 3 March 2017. It was restored once so far."
    )
    assert _ahead("03-06", *restored)["days"] == (
        "Something that counts begins it, up to the end of Monday, 6 March 2017. It was restored once so far."
        " It was 2 long until Sunday, 5 March 2017 was missed, and was restored as often as it can be."
    )
    assert _ahead("03-09", *lived)["days"] == (
        "Something that counts begins it, up to the end of Thursday, 9 March 2017."
    )


def test_a_target_that_was_lowered_lacks_nothing_and_waits_for_what_counts() -> None:
    high, low = (
        {"streaks": [{**GYM["streaks"][0], "objectives": [{"on": "visit", "target": target}]}]} for target in (3, 1)
    )
    book = Rulebook(
        1,
        [
            (BEGINNING, ready(parse(document("America/New_York", **high)))),
            (datetime(2017, 3, 7, tzinfo=UTC), ready(parse(document("America/New_York", **low)))),
        ],
    )
    state, _ = fold.apply(book, MemberState.NOTHING, _event("e1", "03-06", "visit"))
    at = datetime(2017, 3, 8, tzinfo=UTC)
    state, _ = fold.advance(book, state, at)
    told = _by_key(explain_member(book, state, at))["fit"].told
    assert told == "Something that counts begins it, up to the end of Sunday, 12 March 2017."


def test_what_is_held_out_is_told_to_the_staff_alone() -> None:
    share = {"control_group": 99}
    sections: dict[str, list[dict[str, Any]]] = {
        "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
        "boosts": [
            {"key": "double", "factor": 2, **share},
            {"key": "half", "factor": "0.5", **share},
            {"key": "gift", "factor": 3, "given": True, **share},
        ],
        "challenges": [
            {
                "key": "one",
                "objectives": [{"on": "purchase", "target": 1}],
                "rewards": [{"boost": "gift", "days": 2}],
            }
        ],
        "tier_ladders": [{**SHOP["tier_ladders"][0], **share}],
        "leaderboards": [{"key": "top", "measure": {"points": "points"}, **share}],
    }
    book = Rulebook(1, [(BEGINNING, ready(parse(document(**sections))))])
    names = [f"boosts/{each['key']}" for each in sections["boosts"]]
    names += ["tier_ladders/club", "leaderboards/top"]
    seed = next(each for each in range(1000) if all(Share(f"corner/{name}", 99).has(each) for name in names))
    event = _event("e1", "03-01 10")
    told = _by_key(explain_event(book, MemberState(seed=seed), event))
    kept = "The member is in the control group of"
    assert told["base"].told == (
        f"It gave 10 points. {kept} `boosts/double`, which would have made it 10 points more."
        f" {kept} `boosts/half`, which would have made it 5 points less."
    )
    assert told["base"].told_member == "It gave 10 points."
    assert f"{kept} `boosts/gift`, which it would have given." in told["one"].told
    assert told["one"].told_member == "It came to 1 of 1. It was completed."
    for key in ("club", "top"):
        assert (told[key].reason, told[key].told_member) == (Reason.HELD_OUT, None)
    state, _ = fold.apply(book, MemberState(seed=seed), event)
    club = _by_key(explain_member(book, state, state.at))["club"]
    assert (club.told[:38], club.told_member) == ("The member is in its control group: it", None)


def test_nothing_is_said_of_what_no_event_counts_for() -> None:
    given: dict[str, list[dict[str, Any]]] = {
        "vouchers": [{"key": "ten"}],
        "rewards": [{"key": "off", "kind": "discount", "price": {"points": 5}, "gives": [{"voucher": "ten"}]}],
        "auto_rewards": [{"key": "hundred", "at": 100, "rewards": [{"voucher": "ten"}]}],
    }
    book = Rulebook(1, [(BEGINNING, ready(parse(document(**{**EVERYTHING, **given}))))])
    bought = Event("e1", "purchase", datetime(2017, 3, 1, tzinfo=UTC), {"amount": Decimal(5)})
    said = explain_event(book, MemberState(), bought)
    assert {each.section for each in said}.isdisjoint({"rewards", "auto_rewards"})
    assert {each.section for each in said} >= {"earn_rules", "badges"}
    assert not [each for each in explain_member(book, MemberState(), bought.at) if each.section == "rewards"]


def test_a_ladder_on_which_one_event_rises_twice_says_where_it_led() -> None:
    points, stars = ({"points": each, "including": "rewards"} for each in ("points", "stars"))
    ten, hundred = {"points": 10, "currency": "stars"}, {"points": 100, "currency": "points"}
    sections: dict[str, list[dict[str, Any]]] = {
        "currencies": [{"key": "points"}, {"key": "stars"}],
        "earn_rules": [{"key": "base", "on": "purchase", "earn": {"fixed": 20, "currency": "points"}}],
        "challenges": [{"key": "ten", "objectives": [{"measure": stars, "target": 10}], "rewards": [hundred]}],
        "badges": [{"key": "first", "on": "purchase", "levels": [{"target": 1, "key": "one", "rewards": [ten]}]}],
        "tier_ladders": [
            {
                "key": "club",
                "measure": points,
                "tiers": [{"key": "low"}, {"key": "mid", "from": 15}, {"key": "high", "from": 100}],
            }
        ],
    }
    book = Rulebook(1, [(BEGINNING, ready(parse(document(**sections))))])
    told = _by_key(explain_event(book, MemberState(), _event("e1", "03-01 10")))
    assert told["club"].told == "From low to high, with 120 points."


def test_what_is_kept_is_not_told_as_given_again() -> None:
    book = Rulebook(1, [(BEGINNING, ready(parse(document(**EVERYTHING))))])
    kept: list[AnyOutcome] = [
        BadgeAwarded("purchases", "2", BEGINNING, "e0"),
        PointsEarned("points", 4, "base", "earn/base/e1", AT, "e1"),
    ]
    state, _ = fold.apply(book, MemberState(), keeping.fact_of("kept", AT - timedelta(days=9), kept, {}))
    state, _ = fold.apply(book, state, _event("e0", "02-25 1.00"))
    event = _event("e1", "03-01 10.00")
    _, emitted = fold.apply(book, fold.advance(book, state, AT)[0], event)
    assert not [each for each in emitted if isinstance(each, BadgeAwarded)]
    told = _by_key(explain_event(book, state, event))
    assert told["purchases"].told == "It came to 2."
    assert told["base"].told == "It gave 6 points."
