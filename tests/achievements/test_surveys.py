"""Surveys as events: what `docs/surveys.md` shows is what happens, and points come once for each survey."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from ruamel.yaml import YAML

from achievements.definitions import Mistaken, parse
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN, document, rulebook
from tests.test_repository import ROOT

PAGE = (ROOT / "docs/surveys.md").read_text()
(WRITTEN,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
(DIARY,) = re.findall(r"```\n(2026.*?)```", PAGE, re.DOTALL)
SHOP = ready(parse(YAML(typ="safe", pure=True).load(WRITTEN)))
BOOK = Rulebook(1, [(BEGIN, SHOP)])


def in_segments(state: MemberState, at: datetime) -> tuple[str, ...]:
    return SHOP.members.segments(state, at)


def test_the_page_tells_the_truth() -> None:
    lines = DIARY.splitlines()
    assert in_segments(check(BOOK, lines[0]), datetime(2026, 3, 3, tzinfo=UTC)) == ("promoters",)
    state = check(BOOK, DIARY)
    assert in_segments(state, datetime(2026, 5, 3, tzinfo=UTC)) == ("detractors",)
    assert in_segments(state, datetime(2026, 6, 30, 21, tzinfo=UTC)) == ("detractors",)
    assert in_segments(state, datetime(2026, 6, 30, 22, tzinfo=UTC)) == ()


def test_once_per_value_beside_a_limit_of_points() -> None:
    limits = {"once_per": "mood", "per_member": {"points": 25, "window": {"calendar": "month"}}}
    check(
        rulebook(earn_rules=[{"key": "say", "on": "visit", "earn": {"fixed": 10}, "limits": limits}]),
        """
        2017-02-28 10:00 | visit |
        2017-03-01 10:00 | visit mood=1 | points +10 say
        2017-03-02 10:00 | visit mood=1 |
        2017-03-03 10:00 | visit mood=2 | points +10 say
        2017-03-04 10:00 | visit mood=3 | points +5 say
        2017-03-05 10:00 | visit mood=4 |
        2017-04-01 10:00 | visit mood=1 |
        2017-04-02 10:00 | visit mood=4 | points +10 say
        """,
    )


@pytest.mark.parametrize(
    ("shape", "path", "words"),
    [
        ({"type": "int", "max": "-1"}, "event_types[2].properties.score.max", "is not below `min`"),
        ({"type": "bool", "max": 5}, "event_types[2].properties.score.max", "needs a number, not a bool"),
        ({"type": "list[string]"}, "earn_rules[0].limits.once_per", "`once_per` needs a string or int, and `score`"),
    ],
)
def test_mistakes_have_their_paths(shape: dict[str, Any], path: str, words: str) -> None:
    rule = {"key": "thanks", "on": "answer", "earn": {"fixed": 5}, "limits": {"once_per": "score"}}
    shop = document(earn_rules=[rule])
    shop["event_types"].append({"key": "answer", "properties": {"score": shape}})
    with pytest.raises(Mistaken) as raised:
        ready(parse(shop))
    told = {each.path: each.message for each in raised.value.mistakes}
    assert words in told[path]


@pytest.mark.parametrize(("score", "refused"), [(0, False), (10, False), (11, True), (-1, True)])
def test_a_score_that_none_can_be_is_refused(score: int, refused: bool) -> None:
    _, mistakes = SHOP.event_types["answer"].read({"survey": "nps", "score": score})
    assert bool(mistakes) == refused
