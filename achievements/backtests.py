"""Backtests: what a draft would have done, had it been published.

A draft is one or several definitions, new ones or new versions of the program's. Each member's history is folded with the draft
in force from an instant on, as if it had been published then; it is the same fold, so the answer is exact. Only what is reported and what
that rests on is folded (`pruning`). Where the draft gives to other definitions, a second fold without it tells what it changed of them.

The curve of a challenge comes from a twin beside it that gives nothing and never stops at a target: how far it came in each
window says for every target whether that was met.
"""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from achievements import fold, tallies
from achievements.badges import BadgeReady
from achievements.challenges import Challenge, ChallengeReady
from achievements.definitions import Mistaken, Program, plain
from achievements.drafting import Line, book_of, line_up_to, line_with_draft, with_draft
from achievements.measures import DISTINCT_MAX
from achievements.outcomes import Emitted
from achievements.parts import POINTS_MAX, Definition, Mistake
from achievements.pruning import Links, Place, links, pruned
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from achievements.tallies import Count, Found, Report, Tally
from achievements.trials import Trial, Watched
from achievements.values import Event, Input

TWIN = "*"
"""Ends the key of a twin; no key of a program can."""

Take: TypeAlias = Callable[[MemberState, MemberState, Iterable[Emitted]], None]
"""Told of the states before and after an input, and what it brought."""
Before: TypeAlias = Callable[[MemberState, Iterable[Emitted]], None]

_TICK = timedelta(microseconds=1)
_COMPLETED = ("challenges", "badges", "tier_ladders")
_GIVING = ("earn_rules", "streaks", "challenges", "badges", "tier_ladders", "occasions")
_PLAIN_CHALLENGE = frozenset(
    {
        *("key", "name", "description", "audience", "objectives", "needs", "window", "repeat", "join", "milestones"),
        *("rewards", "counts_from"),
    }
)
_PLAIN_OBJECTIVE = frozenset({"on", "when", "measure", "target"})


class Backtest:
    """A draft ready to be tried on members, one after the other, from `since` up to, but not including, `until`.

    `line` is what the program was along time, up to now: the draft is in force beside all of it from `since` on, and nothing that was
    published later takes its place. Mistaken where the draft has mistakes, or `until` is not after `since`.
    """

    def __init__(self, line: Line, draft: object, since: datetime, until: datetime) -> None:
        if until <= since:
            raise Mistaken([Mistake("to", "`to` comes after `from`")])
        self.since, self.until = since, until
        # First as publishing now would tell it.
        _, self.drafted = with_draft(line[-1][1], draft)
        line = line_up_to(line, since, until)
        lines = [_unlimited(line), _unlimited(line_with_draft(line, draft, since))]
        programs = [program for each in lines for _, program in each]
        self._whole = programs[-1]
        twins = {
            each.key + TWIN: each.key
            for each in self._whole.sections["challenges"]
            if ("challenges", each.key) in self.drafted and no_curve(each) is None
        }
        found = links(programs)
        told = [(section, each.key) for program in programs for section, each in program if section in _COMPLETED]
        changed = _changed(found, programs, self.drafted)
        roots = [*self.drafted, *told, *changed]
        without, with_it = [
            [(start, _twinned(pruned(program, found, roots), twins)) for start, program in each] for each in lines
        ]
        self.book = book_of(with_it)
        held = {("tier_ladders", each.key) for _, program in line for each in program.sections["tier_ladders"]}
        mine = {place for place in self.drafted if place[0] == "tier_ladders"}
        self._without = book_of(without) if changed or mine & held else None
        self._new_ladders = frozenset(key for _, key in mine - held)
        rules = ready(with_it[-1][1])
        targets = {key: tallies.curve_targets(_target(rules.by_name[f"challenges/{key}"])) for key in twins.values()}
        self._watched = Watched(self.book, rules, frozenset(self.drafted), twins, targets)

    def event(self, identity: str, event_type: str, at: datetime, properties: Mapping[str, Any]) -> Event:
        """An event as the rules in force at its instant see it; ValueError where the program would refuse it."""
        known = (self.book.at(at) or self.book.latest).event_types.get(event_type)
        if known is None:
            there = ", ".join(self.book.latest.event_types) or "none"
            raise ValueError(f"no event type `{event_type[:80]}`; the program defines: {there}")
        values, mistakes = known.read(properties)
        if mistakes:
            raise ValueError(f"{mistakes[0].path}: {mistakes[0].message}")
        return Event(identity, event_type, at, values)

    def count(self, tally: Tally, inputs: Sequence[Input], seed: int = 0) -> None:
        """Fold one member's inputs, which stand in order, and add what comes of it to a tally.

        `seed` is what tells her apart in control groups.
        """
        start = MemberState(seed=seed)
        inputs = inputs[: bisect_left(inputs, self.until, key=_at)]
        first = bisect_left(inputs, self.since, key=_at)
        trial = Trial(self._watched, tally)
        state = self._folded(self.book, start, inputs, first, trial.take, trial.before)
        trial.settle(state)
        tally.members += 1
        tally.events += sum(isinstance(each, Event) for each in inputs[first:])
        self._tell_tiers(tally.tiers, self.book, state)
        if self._without is None:
            return
        points: dict[str, int] = {}
        watched = self._watched
        state = self._folded(
            self._without, start, inputs, first, lambda _, __, emitted: watched.elsewhere(emitted, points)
        )
        self._tell_tiers(tally.tiers_without, self._without, state, but=self._new_ladders)
        for currency in {*trial.elsewhere, *points}:
            more = trial.elsewhere.get(currency, 0) - points.get(currency, 0)
            tally.elsewhere[currency] = tally.elsewhere.get(currency, 0) + more

    def _folded(
        self,
        book: Rulebook,
        state: MemberState,
        inputs: Sequence[Input],
        first: int,
        take: Take,
        before: Before | None = None,
    ) -> MemberState:
        """The state just before the end. `take` is told of what comes from `since` on, `before` of what came earlier."""
        for entry in inputs[:first]:
            state, emitted = fold.apply(book, state, entry)
            if before is not None:
                before(state, emitted)
        state, passed = fold.advance(book, state, self.since - _TICK)
        if before is not None:
            before(state, passed)
        for entry in inputs[first:]:
            held = state
            state, emitted = fold.apply(book, held, entry)
            if emitted:
                take(held, state, emitted)
        held = state
        state, passed = fold.advance(book, held, self.until - _TICK)
        take(held, state, passed)
        return state

    def _tell_tiers(
        self, tiers: dict[str, int], book: Rulebook, state: MemberState, but: Container[str] = frozenset()
    ) -> None:
        for _, rule in self._watched.rules.ladders:
            tier = (book.at(state.at) or book.latest).members.tier(rule, state)
            if tier is not None and rule.key not in but:
                tiers[f"{rule.key}/{tier}"] = tiers.get(f"{rule.key}/{tier}", 0) + 1

    def report(
        self, tally: Tally, *, values: Mapping[str, Decimal] | None = None, budgets: Mapping[str, int] | None = None
    ) -> Report:
        """What a tally says, with the cost of points at a value each, and when budgets were used up."""
        points = {currency: sum(days.values()) for currency, days in sorted(tally.spent.items())}
        elsewhere = {currency: more for currency, more in sorted(tally.elsewhere.items()) if more}
        ladders = [(rule.key, rule.keys) for _, rule in self._watched.rules.ladders]
        there = {name: count for name, count in tally.tiers.items() if name.split("/")[0] not in self._new_ladders}
        return Report(
            since=self.since,
            until=self.until,
            members=tally.members,
            events=tally.events,
            refused=tally.refused,
            definitions=tuple(self._found(section, key, tally) for section, key in self.drafted),
            points=points,
            elsewhere=elsewhere,
            cost={
                currency: value * (points.get(currency, 0) + elsewhere.get(currency, 0))
                for currency, value in (values or {}).items()
            },
            budgets=tuple(
                tallies.budget(currency, most, tally.spent.get(currency, {}))
                for currency, most in (budgets or {}).items()
            ),
            tiers=tallies.tier_members(ladders, tally.tiers, there if self._without is None else tally.tiers_without),
        )

    def _found(self, section: str, key: str, tally: Tally) -> Found:
        count = tally.counts.get(f"{section}/{key}") or Count()
        rule = self._watched.rules.by_name.get(f"{section}/{key}")
        curve, target = None, None
        if isinstance(rule, ChallengeReady) and key in self._watched.targets:
            points: dict[str, int] = {}
            for reward in rule.rewards:
                if reward.points is not None:
                    points[str(reward.currency)] = points.get(str(reward.currency), 0) + reward.points
            target, curve = _target(rule), tallies.curve(count, self._watched.targets[key], points)
        definition = next(each for each in self._whole.sections[section] if each.key == key)
        return Found(
            section=section,
            key=key,
            name=definition.title,
            completions=count.completions,
            winners=count.winners,
            near_misses=count.near_misses if isinstance(rule, ChallengeReady | BadgeReady) else None,
            by_day=tallies.by_date(count.by_day),
            by_group=dict(sorted(count.by_group.items())),
            points=dict(sorted(count.points.items())),
            rewards=dict(sorted(count.rewards.items())),
            overlap=dict(sorted(count.overlap.items(), key=lambda each: (-each[1], each[0]))),
            target=target,
            curve=curve,
            no_curve=no_curve(definition),
        )


def no_curve(definition: Definition) -> str | None:
    """Why a definition has no curve of target against completions; None where it has one."""
    if not isinstance(definition, Challenge):
        return "only a challenge has a curve"
    if len(definition.objectives) > 1:
        return "a challenge with several objectives has no curve: it has more than one target"
    if definition.repeats == "on_completion":
        return (
            "a challenge that counts anew after each completion has no curve: with another target its rounds are others"
        )
    if definition.join == "opt_in":
        return "a challenge that members join has no curve: with another target others would have joined"
    written = plain(definition)
    if not written.keys() <= _PLAIN_CHALLENGE or not written["objectives"][0].keys() <= _PLAIN_OBJECTIVE:
        return "a challenge of this sort has no curve"
    return None


def unlimited(program: Program) -> Program:
    """A program whose challenges have places for everybody: who comes first is not told, since members are folded one by one."""
    challenges = tuple(
        msgspec.structs.replace(each, limit=None) if isinstance(each, Challenge) else each
        for each in program.sections.get("challenges", ())
    )
    return Program(program.head, {**program.sections, "challenges": challenges})


def _unlimited(line: Line) -> Line:
    return [(start, unlimited(program)) for start, program in line]


def _twinned(program: Program, twins: Mapping[str, str]) -> Program:
    """A program with a twin of each challenge that has a curve: it gives nothing, and stops at no target."""
    challenges = program.sections.get("challenges", ())
    keys = {key: twin for twin, key in twins.items()}
    added = []
    for each in challenges:
        if isinstance(each, Challenge) and each.key in keys:
            (objective,) = each.objectives
            counted = objective.measure
            most = DISTINCT_MAX if counted != "count" and counted.distinct is not None else POINTS_MAX
            endless = msgspec.structs.replace(objective, target=most)
            given = {"milestones": (), "rewards": ()}
            added.append(msgspec.structs.replace(each, key=keys[each.key], objectives=(endless,), **given))
    return Program(program.head, {**program.sections, "challenges": (*challenges, *added)})


def _changed(found: Links, programs: Iterable[Program], drafted: Iterable[Place]) -> list[Place]:
    """The other definitions whose outcomes rest on the drafted ones."""
    mine = set(drafted)
    others = {(section, each.key) for program in programs for section, each in program if section in _GIVING}
    return [place for place in sorted(others - mine) if mine & found.read_by([place])]


def _target(rule: object) -> int:
    assert isinstance(rule, ChallengeReady), "a challenge is made ready as one"
    return rule.targets[0]


def _at(entry: Input) -> datetime:
    return entry.at
