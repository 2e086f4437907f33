"""Random programs: any mixture of kinds, with any of their parameters."""

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.achievements.programs import document

ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/Sao_Paulo"])

BORN = {"key": "born", "type": "date"}

_triggers: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"on": "purchase"},
        {"on": "visit"},
        {"on": ["purchase", "visit"]},
        {"on": "purchase", "when": "event.amount > 0.0"},
        {"on": "purchase", "when": "event.amount >= 100.0 || 'TEA' in event.departments"},
        {"on": "visit", "when": "event.mood >= 0"},
    ]
)
_targets = st.integers(1, 6)
_given: st.SearchStrategy[Any] = st.one_of(
    st.builds(dict, points=st.integers(1, 40)),
    st.builds(dict, boost=st.just("gift"), days=st.integers(1, 9)),
    st.builds(dict, tier=st.sampled_from(["mid", "high"]), ladder=st.just("gift"), days=st.integers(1, 9)),
    st.just({"tier": "mid", "ladder": "gift"}),
)
_rewards: st.SearchStrategy[Any] = st.lists(_given, max_size=1)
_purchases = {"on": "purchase"}


def _window(*, dates: bool = True, hours: bool = True) -> st.SearchStrategy[Any]:
    ways: list[st.SearchStrategy[Any]] = [
        st.just("lifetime"),
        st.builds(dict, calendar=st.sampled_from(["day", "week", "month", "quarter"])),
        st.builds(dict, days=st.integers(1, 12)),
    ]
    if hours:
        ways.append(st.builds(dict, hours=st.integers(1, 200)))
    if dates:
        ways.append(st.just({"from": "2017-03-03T17:00:00Z", "until": "2017-04-02T00:00:00Z"}))
    return st.one_of(*ways)


def _earn_rule(trigger: dict[str, Any], limits: Any, fixed: int) -> dict[str, Any]:
    return {**trigger, "earn": {"fixed": fixed}, **({"limits": limits} if limits else {})}


_earn_rules = st.one_of(
    st.just({**_purchases, "earn": {"per": "amount", "rounding": "half_even", "rate": "0.3"}}),
    st.just({**_purchases, "earn": {"each": "departments", "points": 4}}),
    st.just({**_purchases, "earn": {"per": "amount", "bands": [{"from": 10, "rate": 1}, {"from": 60, "rate": "0.5"}]}}),
    st.builds(
        _earn_rule,
        _triggers,
        st.none()
        | st.builds(
            dict,
            per_member=st.builds(dict, points=st.integers(5, 60), window=_window(dates=False)),
        ),
        st.integers(1, 30),
    ),
)
_boosts: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    factor=st.sampled_from([0, "0.5", "1.5", 2, 3]),
    stacking=st.sampled_from(["compound", "additive", "highest"]),
)
_freezes = st.none() | st.sampled_from(
    [
        {"cooldown": 1},
        {"cooldown": 4},
        {"start": 2, "hold_at_most": 2},
        {"start": 0, "earn_every": 3, "hold_at_most": 1, "price": {"points": 20}},
        {"hold_at_most": 2, "price": {"points": 20}},
    ]
)
_measured = st.sampled_from(
    [
        {"on": "visit"},
        {"on": "visit", "measure": {"sum": "mood"}},
        {**_purchases, "measure": {"distinct": "departments"}},
        {"on": ["purchase", "visit"], "measure": {"distinct": "local_day"}},
        {"measure": {"points": "points"}},
    ]
)


_periods: st.SearchStrategy[dict[str, Any]] = _triggers | st.builds(
    lambda objectives, needs: {"objectives": objectives, "needs": needs},
    st.lists(
        st.builds(lambda measured, target: {**measured, "target": target}, _measured, st.integers(1, 3)),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from(["all", "any", "in_order"]),
)
_streaks = st.builds(
    lambda asked, period, freezes, more: {
        **asked,
        "period": period,
        **more,
        **({"freezes": freezes} if freezes else {}),
    },
    _periods,
    st.sampled_from(["day", "week", "month"]),
    _freezes,
    st.fixed_dictionaries(
        {},
        optional={
            "milestones": st.just([{"at": 2, "rewards": [{"points": 3}]}, {"at": 4, "rewards": [{"points": 9}]}]),
            "pauses": st.just([{"from": "2017-02-27", "until": "2017-03-06"}]),
            "at_risk": st.just("20:30"),
            "restore": st.builds(dict, within=st.sampled_from([1, 2, 9]), at_most=st.just(2), per=st.just(6)),
        },
    ),
)


def _challenge(
    objectives: list[dict[str, Any]], window: Any, repeat: str, rewards: Any, options: dict[str, Any]
) -> dict[str, Any]:
    calendar = isinstance(window, dict) and "calendar" in window
    if repeat == "each_window" and not calendar:
        repeat = "once"
    # Milestones lie on the way to one objective.
    if len(objectives) > 1 or objectives[0]["target"] < 2:
        options = {name: value for name, value in options.items() if name != "milestones"}
    if repeat == "on_completion" or any("including" in str(each.get("measure")) for each in objectives):
        options = {name: value for name, value in options.items() if name != "limit"}
    if "team" in options:
        rolls = isinstance(window, dict) and not window.keys().isdisjoint({"days", "hours"})
        if (
            len(objectives) > 1
            or repeat != ("each_window" if calendar else "once")
            or rolls
            or "including" in str(objectives[0].get("measure"))
        ):
            options = {name: value for name, value in options.items() if name != "team"}
        else:
            options = {"team": options["team"], "control_group": None}
    return {"objectives": objectives, "window": window, "repeat": repeat, "rewards": rewards, **options}


_options: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "needs": st.sampled_from(["any", "in_order"]),
        "join": st.just("opt_in"),
        "limit": st.just(5),
        "team": st.just({}),
        "milestones": st.builds(lambda rewards: [{"at": 1, "key": "one", "rewards": rewards}], _rewards),
    },
)
_challenges = st.builds(
    _challenge,
    st.lists(
        st.builds(lambda measured, target: {**measured, "target": target}, _measured, _targets), min_size=1, max_size=3
    ),
    _window(),
    st.sampled_from(["once", "each_window", "on_completion"]),
    _rewards,
    _options,
)
_badges = st.builds(
    lambda trigger, first, rewards: {
        **trigger,
        "levels": [{"target": first, "key": "one", "rewards": rewards}, {"target": first + 3, "key": "two"}],
    },
    _triggers,
    _targets,
    _rewards,
)


def _ladder(window: Any, downgrade: str, grace: int, first: int) -> dict[str, Any]:
    rolls = isinstance(window, dict) and "days" in window
    if downgrade == "at_anniversary" and not rolls:
        downgrade = "at_once"
    return {
        "measure": {"points": "points", "including": "rewards"},
        "window": window,
        "tiers": [{"key": "low"}, {"key": "mid", "from": first}, {"key": "high", "from": first * 3}],
        "downgrade": downgrade,
        **({"period": "month"} if rolls and downgrade == "at_period_end" else {}),
        **({"grace_days": grace} if grace and downgrade != "never" else {}),
    }


_ladders = st.builds(
    _ladder,
    _window(dates=False, hours=False),
    st.sampled_from(["at_once", "at_period_end", "at_anniversary", "never"]),
    st.sampled_from([0, 0, 2, 9]),
    st.integers(5, 60),
)


def _with_prizes(board: dict[str, Any], given: list[Any], percent: int) -> dict[str, Any]:
    """A board with prizes, where it is closed at the end of its periods and does not count what they give."""
    if not given or board["window"] == "lifetime" or "including" in board["measure"]:
        return board
    return {**board, "prizes": [{"percent": percent, "rewards": given}]}


_plain_boards: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    measure=st.sampled_from([{"points": "points"}, {"points": "points", "including": "rewards"}]),
    window=st.just("lifetime") | st.builds(dict, calendar=st.sampled_from(["day", "month", "year"])),
    ties=st.sampled_from(["first_to_reach", "standard", "dense", "ordinal"]),
    group_by=st.sampled_from([None, "city", "tiers.gift"]),
)
_boards = st.builds(_with_prizes, _plain_boards, _rewards, st.sampled_from([20, 100]))
_spends = st.builds(lambda trigger, points: {**trigger, "spend": {"points": points}}, _triggers, st.integers(1, 50))


SEGMENTS = [
    {
        "key": "busy",
        "measures": {
            "spent": {"on": "purchase", "measure": {"sum": "amount"}, "window": {"calendar": "week"}},
            "lately": {"on": ["visit", "purchase"], "window": {"days": 4}},
            "hourly": {"on": "purchase", "measure": {"distinct": "departments"}, "window": {"hours": 30}},
            "points": {"measure": {"points": "points", "including": "rewards"}, "window": {"days": 9}},
        },
        "when": "measure.spent > 150.0 || measure.lately >= 3 || measure.hourly > 2 || measure.points > 90",
    },
    {"key": "listed", "list": True},
]
_audiences: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *({}, {}, {}),
        {"audience": "member.segments.busy"},
        {"audience": "!member.segments.listed"},
        {"audience": "member.age > 1"},
        {"audience": "has(member.city) && member.city == 'rome'"},
    ]
)


_control_groups: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {}, {"control_group": 50}])


_dates = [{"on": "birthday", "attribute": "born"}, {"on": "anniversary", "attribute": "born"}]
_occasions: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict.__or__,
    st.sampled_from([*_dates, {"on": "anniversary"}, {"on": "welcome"}]),
    st.builds(lambda reward: {"rewards": [reward]}, _given),
)


def _held_out(kind: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(dict.__or__, _control_groups, kind)


def _section(kind: st.SearchStrategy[dict[str, Any]], at_most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.builds(dict.__or__, _audiences, kind), max_size=at_most).map(
        lambda each: [{"key": f"k{number}", **definition} for number, definition in enumerate(each)]
    )


def _with_composites(written: dict[str, Any], given: bool, target: int) -> dict[str, Any]:
    """The same with a badge made of the first badge and the first challenge, which may give the badge, and one made of that."""
    challenges, badges = written["challenges"], written["badges"]
    if not challenges or not badges:
        return written
    if given:
        first = challenges[0]
        challenges = [{**first, "rewards": [*first["rewards"], {"badge": "k0", "level": "two"}]}, *challenges[1:]]
    whole = {"of": [{"badge": "k0", "level": "two"}, {"challenge": "k0"}], "levels": [{"target": target, "key": "one"}]}
    top = {
        "key": "top",
        "of": [{"badge": "whole"}],
        "levels": [{"target": 1, "key": "one", "rewards": [{"points": 9}]}],
    }
    return {**written, "challenges": challenges, "badges": [top, *badges, {"key": "whole", **whole}]}


_plain: st.SearchStrategy[dict[str, Any]] = st.builds(
    document,
    ZONES,
    attributes=st.just([{"key": "age", "type": "int", "default": 1}, {"key": "city", "type": "string"}, BORN]),
    segments=st.just(SEGMENTS),
    earn_rules=_section(_held_out(_earn_rules), 3),
    boosts=st.builds(
        lambda more, control: [*more, {"key": "gift", "factor": 2, "given": True, **control}],
        _section(_held_out(_boosts), 2),
        _control_groups,
    ),
    spend_rules=_section(_spends, 1),
    streaks=_section(_held_out(_streaks), 3),
    challenges=_section(_held_out(_challenges), 4),
    badges=_section(_held_out(_badges), 1),
    tier_ladders=st.builds(
        lambda first, more: [{"key": "gift", **first}, *more], _held_out(_ladders), _section(_held_out(_ladders), 1)
    ),
    leaderboards=_section(_held_out(_boards), 2),
    occasions=_section(_held_out(_occasions), 3),
)
documents: st.SearchStrategy[dict[str, Any]] = st.builds(_with_composites, _plain, st.booleans(), st.integers(1, 2))
"""Program documents without a mistake in them."""

DEFINITIONS = {
    "earn_rules": _earn_rules,
    "boosts": _boosts,
    "streaks": _streaks,
    # Of teams no draft can be tried.
    "challenges": _challenges.filter(lambda each: "team" not in each),
    "badges": _badges,
    "tier_ladders": _ladders,
    "occasions": _occasions,
}
"""One definition of a section, without its key."""

LIVING = (
    *("earn_rules", "boosts", "spend_rules", "streaks", "challenges", "badges"),
    *("tier_ladders", "leaderboards", "occasions"),
)


def with_lives(written: dict[str, Any], instants: Sequence[str], random: Random) -> dict[str, Any]:
    """A program of which some definitions begin, end or are paused; `instants` are in order, and at least two."""

    def life() -> dict[str, str]:
        first, last = sorted(random.sample(range(len(instants)), 2))
        kinds: list[dict[str, str]] = [
            *({}, {}, {}, {"starts": instants[first]}, {"ends": instants[last]}),
            *({"starts": instants[first], "ends": instants[last]}, {"status": "paused"}, {"status": "draft"}),
        ]
        return random.choice(kinds)

    lived = {name: [{**each, **life()} for each in written.get(name, ())] for name in LIVING}
    return {**written, **lived}
