"""What conditions read of a member: the tiers held, her attributes, and the segments that she is in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cel_expr_python import cel

from achievements.attributes import Attribute
from achievements.conditions import TIERS, Audience, Environment, Unanswered, of_attributes, of_segment
from achievements.controls import Share
from achievements.localtime import LocalTime, of_member
from achievements.parts import BY_TIER
from achievements.segments import SegmentReady
from achievements.states import MemberState
from achievements.tiers import LadderReady

GROUP_CHARACTERS_MAX = 100
"""A longer value of an attribute is no group."""


class Members:
    """The members of a program, as its conditions see them at an instant, each in her state before it."""

    def __init__(
        self,
        environment: Environment,
        program_time: LocalTime,
        ladders: Sequence[LadderReady],
        attributes: Sequence[Attribute],
        segments: Sequence[SegmentReady],
        shares: Mapping[str, Share],
    ) -> None:
        self.attributes = tuple(attributes)
        self._environment = environment
        self._program_time = program_time
        self._ladders = tuple(ladders)
        self._shares = shares
        self._segments = tuple((of_segment(each.key), each) for each in segments)

    def activation(self, state: MemberState, at: datetime) -> cel.Activation:
        """What conditions on a member alone read."""
        return self._environment.activation({}, self.read(self._environment, state, at))

    def read(self, environment: Environment, state: MemberState, at: datetime) -> dict[str, Any]:
        """What the conditions of an environment read of a member. A segment that cannot be told is left out."""
        asked = (each for each in self.attributes if environment.asks(each.key))
        seen = of_attributes((each.key, each.held(state.attributes)) for each in asked)
        if TIERS in environment.reads:
            if self._shares:
                seen[TIERS] = {each.key: self.tier(each, state) or "" for each in self._ladders}
            else:
                seen[TIERS] = {each.key: each.tier(state.parts.get(each.name)) for each in self._ladders}
        for name, segment in self._segments:
            if name in environment.reads:
                try:
                    seen[name] = self._holds(segment, state, at)
                except Unanswered:
                    continue
        return seen

    def group(self, by: str, state: MemberState) -> str | None:
        """The group in which an attribute, or a ladder (`tiers.KEY`), puts a member; None where it puts her in none."""
        if by.startswith(BY_TIER):
            ladder = by.removeprefix(BY_TIER)
            return next((self.tier(each, state) for each in self._ladders if each.key == ladder), None)
        held = next((each.held(state.attributes) for each in self.attributes if each.key == by), None)
        return held if isinstance(held, str) and 0 < len(held) <= GROUP_CHARACTERS_MAX else None

    def tier(self, ladder: LadderReady, state: MemberState) -> str | None:
        """The tier of a ladder that a member holds in a state that was advanced; None where the ladder is held out from her.

        Who had come to something on it before she was held out keeps that.
        """
        part = state.parts.get(ladder.name)
        share = self._shares.get(ladder.name)
        return None if part is None and share is not None and share.has(state.seed) else ladder.tier(part)

    def in_audience(self, audience: Audience, state: MemberState, at: datetime) -> bool:
        """Whether a member is in an audience; False where that cannot be told."""
        try:
            return audience.condition.holds(self.activation(state, at))
        except Unanswered:
            return False

    def segments(self, state: MemberState, at: datetime) -> tuple[str, ...]:
        """The keys, in order, of the segments that a member is in at an instant to which her state was advanced."""
        found = []
        for _, segment in self._segments:
            try:
                if self._holds(segment, state, at):
                    found.append(segment.key)
            except Unanswered:
                continue
        return tuple(sorted(found))

    def _holds(self, segment: SegmentReady, state: MemberState, at: datetime) -> bool:
        part: Any = state.parts.get(segment.name)
        if segment.condition is None:
            return part is not None and part.listed
        local = self._program_time if state.zone is None else of_member(state.zone)
        environment = segment.environment
        amounts = segment.amounts(part, at, local)
        return segment.condition.holds(environment.activation(amounts, self.read(environment, state, at)))
