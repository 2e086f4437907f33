"""Conditions: CEL expressions over an event's properties and what is known of the member, checked when saved and cheap to ask.

A condition reads flat variables (`event.amount`), typed by the event type's schema, and is compiled once. `member.tiers` are
the tiers held before the event, by the ladder's key, `member.NAME` her attributes then (`has(member.NAME)` asks whether she
has one) and `member.segments.KEY` whether she is in a segment then. Decimals are compared as doubles: with at most 15 significant digits no two different amounts become equal, so a comparison is exact;
arithmetic on them would not be and is refused. What fails at run time (a property the event lacks, the iteration budget) is
`Unanswered`: it counts as not met, and its definition is told of it.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from cel_expr_python import cel

from achievements.limits import overdone, position_of

CONDITION_CHARACTERS_MAX = 2_000
CONDITIONS_KEPT = 4_096
ENVIRONMENTS_KEPT = 512
"""So many compiled conditions, and what they can read, are kept for programs that are made ready again."""
SAID_CHARACTERS_MAX = 200
"""Of what CEL says of a failure that has no words of our own."""

CEL_TYPES: Mapping[str, cel.Type] = {
    "decimal": cel.Type.DOUBLE,
    "int": cel.Type.INT,
    "string": cel.Type.STRING,
    "bool": cel.Type.BOOL,
    "date": cel.Type.STRING,
    "datetime": cel.Type.TIMESTAMP,
    "list[string]": cel.Type.List(cel.Type.STRING),
    "list[int]": cel.Type.List(cel.Type.INT),
}
"""The types a property may have, and what conditions see of them."""

_ARITHMETIC = ("add_double", "subtract_double", "multiply_double", "divide_double", "negate_double")
_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_INTEGER_FOR_DECIMAL = re.compile(
    r"no matching overload for '_(>=?|<=?|==|!=)_' applied to '\((double, int|int, double)\)'"
)

TIERS = "member.tiers"
_NO_TYPES: Mapping[str, str] = {}
_COMPARISON = re.compile(r"\s*event\.(\w+)\s*(>=|<=|==|!=|>|<)\s*(-?\d+(?:\.\d+)?)\s*", re.ASCII)
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_ASKED_FOR = re.compile(r"\bhas\s*\(\s*event\s*\.\s*(\w+)")
_ASKED_OF_MEMBER = re.compile(
    r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\bhas\s*\(\s*member\s*\.\s*(\w+)\s*\)""", re.ASCII
)
_ABSENT = re.compile(r'No value with name "event\.(\w+)"')
_ABSENT_SEGMENT = re.compile(r'No value with name "member\.segments\.(\w+)"')
_ABSENT_OF_MEMBER = re.compile(r'No value with name "member\.(\w+)"')
_HAS = "has.member."
"""What begins the variable that stands for `has(member.NAME)`, which CEL itself asks of maps only."""
_MENDING: Mapping[str, str] = {
    "divide by zero": "it divides by zero; ask first, as in `event.parts != 0 && event.total / event.parts > 2`",
    "modulus by zero": "it divides by zero; ask first, as in `event.parts != 0 && event.total % event.parts == 0`",
    "Index error": "a list of this event is too short for it; ask first, as in `size(event.items) > 2 && event.items[2] == 'x'`",
    "Key not found": "a map has no such key; ask first, as in `'gold' in m && m['gold'] == 'x'`",
    "overflow": "its numbers become too large; compare smaller ones",
    "Iteration budget": "its loops go round too often for this event; nest fewer of them, or send shorter lists",
    "regular expression": "what `matches` is given is no regular expression; write the pattern out in the condition",
}
"""What failed, by a part of what CEL says, and what to do about it."""
_LADDER = re.compile(r"""\bmember\.tiers\s*(?:\[\s*(?:"([^"]*)"|'([^']*)')\s*\]|\.\s*(\w+))""")


class InvalidCondition(Exception):
    """A condition that does not compile; the message gives the position (line:column, from 1) and the way out."""


class Unanswered(Exception):
    """A condition to which an event gives no answer; the message says why, and how to mend it."""


class Environment:
    """The variables that conditions on events of one type can read, of the event and of members with these `attributes`.

    `of` is the word for what has the values of `types`: an `event`, a `measure` of a segment, or a `member` herself, of whom
    conditions then are alone. `segments` are the keys of those that can be asked for.
    `reads` are those of the member that a condition does read, by their names.
    """

    def __init__(
        self,
        types: Mapping[str, str],
        attributes: Mapping[str, str] = _NO_TYPES,
        segments: Iterable[str] = (),
        *,
        of: str = "event",
    ) -> None:
        self.types = dict(types)
        self.reads: frozenset[str] = frozenset()
        self._variables = _variables(of, tuple(types.items()), tuple(attributes.items()), tuple(segments))

    def asks(self, attribute: str) -> bool:
        """Whether a condition reads an attribute of the member, or asks whether she has it."""
        return f"member.{attribute}" in self.reads or f"{_HAS}{attribute}" in self.reads

    def compile(self, source: str) -> "Condition":
        """Check a condition against the schema; InvalidCondition where it does not fit.

        The same source gives the same condition, so that an event answers it once for all definitions that ask.
        """
        condition, reads = _compiled(self._variables, source)
        self.reads |= reads
        return condition

    def activation(self, properties: Mapping[str, Any], member: Mapping[str, Any]) -> cel.Activation:
        """What every condition on one event reads, of the member what `reads` names; made once for all of them."""
        return self._variables.activation(properties, member)


Types: TypeAlias = tuple[tuple[str, str], ...]


class _Variables:
    """What an environment is to CEL: the same for every edition of a program with the same event type, attributes and segments."""

    def __init__(self, of: str, types: Types, attributes: Types, segments: tuple[str, ...]) -> None:
        self._of = of
        self._types = dict(types)
        known = (*sorted(name for name, _ in attributes), *map("segments.{}".format, segments))
        self._known = ", ".join(f"`member.{name}`" for name in known)
        self._of_member: dict[str, cel.Type] = {TIERS: cel.Type.Map(cel.Type.STRING, cel.Type.STRING)}
        for name, kind in attributes:
            self._of_member[f"member.{name}"] = CEL_TYPES[kind]
            self._of_member[f"{_HAS}{name}"] = cel.Type.BOOL
        self._of_member.update((of_segment(key), cel.Type.BOOL) for key in segments)
        self._env = cel.NewEnv(
            variables={**{f"{of}.{name}": CEL_TYPES[kind] for name, kind in types}, **self._of_member}
        )

    def activation(self, properties: Mapping[str, Any], member: Mapping[str, Any]) -> cel.Activation:
        """Their values."""
        seen = {f"{self._of}.{name}": _seen_by_cel(value) for name, value in properties.items()}
        if member:
            seen.update(member)
        return self._env.Activation(seen)

    def checked(self, source: str) -> tuple["Condition", frozenset[str]]:
        """A condition that fits them, and those of the member that it reads; InvalidCondition for one that does not fit."""
        if len(source) > CONDITION_CHARACTERS_MAX:
            raise InvalidCondition(
                f"a condition has at most {CONDITION_CHARACTERS_MAX} characters, this one {len(source)}"
            )
        asked = _ASKED_FOR.search(source)
        if asked is not None:
            raise InvalidCondition(
                f"{position_of(source, asked.start())}: `has` cannot ask for a property of an event: where it is missing, the condition"
                f" is not met; an event without it is refused where its event type says `{{{asked[1]}: {{type: …, required: true}}}}`"
            )
        try:
            expression = self._env.compile(_ASKED_OF_MEMBER.sub(_in_its_place, source))
        except RuntimeError as error:
            raise InvalidCondition(self._explained(str(error))) from error
        if expression.return_type() != cel.Type.BOOL:
            raise InvalidCondition(f"a condition is true or false, this one is a {expression.return_type().name()}")
        compiled = expression.serialize()
        if any(compiled.count(overload.encode()) > source.count(overload) for overload in _ARITHMETIC):
            raise InvalidCondition("decimals can be compared, but not added, subtracted, multiplied or divided")
        problem = overdone(compiled, source)
        if problem is not None:
            raise InvalidCondition(problem)
        reads = frozenset(name for name in self._of_member if name.encode() in compiled)
        return Condition(source, expression, _comparison(source, self._types)), reads

    def _explained(self, error: str) -> str:
        if "recursion limit" in error:
            return f"this is nested too deeply; {error.partition('limit: ')[2].split()[0]} levels are the most"
        found = _POSITION.search(error)
        if found is None:
            return error.removesuffix("[INVALID_ARGUMENT]").strip()
        line, column, problem = found.groups()
        advice = ""
        if _INTEGER_FOR_DECIMAL.search(problem):
            advice = "; write the number with a decimal point, as in `event.amount >= 100.0`"
        elif "undeclared reference to 'member" in problem or f"undeclared reference to '{_HAS}" in problem:
            problem = re.sub(rf"'{_HAS}(\w+)'", r"'has(member.\1)'", problem)
            known = self._known or "of which there are none"
            advice = (
                f"; of the member a condition reads `member.tiers['LADDER']`, and her attributes and segments ({known}): what"
                " depends on a balance is a spend rule or an automatic reward"
            )
        elif "undeclared reference to 'event" in problem and self._of != "event":
            advice = "; this is told by the member alone: what an event must be like goes under `when`"
        elif "undeclared reference" in problem:
            known = ", ".join(f"{self._of}.{name}" for name in sorted(self._types)) or "none"
            advice = f"; this {'event type' if self._of == 'event' else 'segment'} has: {known}"
        return f"at {line}:{column}: {problem.strip()}{advice}"


@lru_cache(maxsize=ENVIRONMENTS_KEPT)
def _variables(of: str, types: Types, attributes: Types, segments: tuple[str, ...]) -> _Variables:
    return _Variables(of, types, attributes, segments)


# A program that changes has most of its conditions as it had them, and CEL takes a millisecond for one.
@lru_cache(maxsize=CONDITIONS_KEPT)
def _compiled(variables: _Variables, source: str) -> tuple["Condition", frozenset[str]]:
    return variables.checked(source)


def ladders_in(source: str) -> set[str]:
    """The keys of the tier ladders that a condition reads."""
    return {next(filter(None, found), "") for found in _LADDER.findall(source)}


class Comparison(NamedTuple):
    """A condition that only compares a number of the event with a literal: answered without CEL, which takes ten times as
    long to be told of the event.
    """

    name: str
    compare: Callable[[float, float], bool]
    literal: float

    def holds(self, properties: Mapping[str, Any]) -> bool:
        """Whether it is met; as under CEL, `Unanswered` where the event lacks the property."""
        value = properties.get(self.name)
        if value is None:
            raise Unanswered(_missing(self.name))
        try:
            return self.compare(float(value) if isinstance(value, Decimal) else value, self.literal)
        except TypeError as error:
            # Under an earlier version of its event type it was a number.
            raise Unanswered(f"`{self.name}` is no number any more") from error


def _comparison(source: str, types: Mapping[str, str]) -> Comparison | None:
    """A checked condition as a comparison, where it is no more than that."""
    found = _COMPARISON.fullmatch(source)
    if found is None:
        return None
    name, sign, literal = found.groups()
    return Comparison(name, _SIGNS[sign], int(literal) if types[name] == "int" else float(literal))


class Condition:
    """A compiled condition; `comparison` where it is as simple as that."""

    __slots__ = ("_expression", "comparison", "source")

    def __init__(self, source: str, expression: cel.Expression, comparison: Comparison | None) -> None:
        self.source = source
        self.comparison = comparison
        self._expression = expression

    @property
    def asks_of_member(self) -> bool:
        """Whether it may read something of the member, not of the event alone."""
        return "member" in self.source

    def holds(self, activation: cel.Activation) -> bool:
        """Whether it is met; `Unanswered` where that cannot be told."""
        try:
            answer = self._expression.eval(activation)
        except RuntimeError as error:
            raise Unanswered(_reason(str(error))) from error
        met = answer.value()
        if met is True or met is False:
            return met
        raise Unanswered(_reason(str(met)))


class Conditions(dict[str, Condition | None]):
    """For each event type that counts, the condition it must meet (None: every event of the type).

    `kind` and `key` name the definition that asks, `path` the place of the condition in it.
    """

    def __init__(self, kind: str, key: str, path: str) -> None:
        super().__init__()
        self.kind = kind
        self.key = key
        self.path = path


class Audience(NamedTuple):
    """A condition on the member alone, of the definition of that kind and key."""

    condition: Condition
    kind: str
    key: str


def _missing(name: str) -> str:
    return f"this event has no `{name}`; send it with each event, or say `required: true` of it in its event type"


def _in_its_place(found: re.Match[str]) -> str:
    """The variable for what asks whether a member has an attribute, as wide as that, so that positions stay; texts stay too."""
    return found[0] if found[2] is None else f"{_HAS}{found[2]}".ljust(len(found[0]))


def of_segment(key: str) -> str:
    """The variable that says whether a member is in a segment."""
    return f"member.segments.{key}"


def of_attributes(attributes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The variables of a member's attributes, from their names and her values (None: she has none)."""
    seen: dict[str, Any] = {}
    for name, value in attributes:
        seen[f"{_HAS}{name}"] = value is not None
        if value is not None:
            seen[f"member.{name}"] = _seen_by_cel(value)
    return seen


def _reason(said: str) -> str:
    """What CEL says of a failure, in words that say how to mend it."""
    untold = _ABSENT_SEGMENT.search(said)
    if untold is not None:
        return f"whether this member is in `{untold[1]}` cannot be told; let the condition of that segment ask first with `has`"
    lacking = _ABSENT_OF_MEMBER.search(said)
    if lacking is not None:
        name = lacking[1]
        return f"this member has no `{name}`; ask first, as in `has(member.{name}) && …`, or give the attribute a `default`"
    absent = _ABSENT.search(said)
    if absent is not None:
        return _missing(absent[1])
    known = next((words for part, words in _MENDING.items() if part in said), None)
    return known or f"{said[:SAID_CHARACTERS_MAX]}; let the condition ask first for what it needs"


def _seen_by_cel(value: Any) -> Any:
    """CEL knows no decimal; everything else a property can be, it takes as it is."""
    return float(value) if isinstance(value, Decimal) else value
