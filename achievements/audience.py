"""Audiences: the members whom a definition is for.

A definition with an `audience` counts the events of members who are in it when they happen. What a member gathered stays while
she is outside, and time goes on for it: a streak of hers breaks, a tier is lost. A definition without one meets nothing of
this: only the rules that say so are wrapped.
"""

from typing import Any, NamedTuple

from achievements.conditions import Audience
from achievements.moment import Judge, Moment
from achievements.states import Part


class Aimed(NamedTuple):
    """A rule with its audience, judging events in the rule's place."""

    rule: Judge
    audience: Audience

    def apply(self, part: Any, moment: Moment) -> Part | None:
        """The rule's part after the event, where it counts for her; the same part where it does not."""
        return self.rule.apply(part, moment) if moment.suits(self.audience) else part
