"""Conditions: CEL expressions over an event's properties and the member's tiers, checked when saved and cheap to ask.

A condition reads flat variables (`event.amount`), typed by the event type's schema, and is compiled once. `member.tiers` are
the tiers held before the event, by the ladder's key. Decimals are
compared as doubles: with at most 15 significant digits no two different amounts become equal, so a comparison is exact;
arithmetic on them would not be and is refused. What fails at run time (a property the event lacks, the iteration budget) is
`Unanswered`: it counts as not met, and its definition is told of it.
"""

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from cel_expr_python import cel

from achievements.limits import overdone, position_of

CONDITION_CHARACTERS_MAX = 2_000
SAID_CHARACTERS_MAX = 200
"""Of what CEL says of a failure that has no words of our own."""

CEL_TYPES: Mapping[str, cel.Type] = {
    "decimal": cel.Type.DOUBLE,
    "int": cel.Type.INT,
    "string": cel.Type.STRING,
    "bool": cel.Type.BOOL,
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


_TIERS = "member.tiers"
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
_ABSENT = re.compile(r'No value with name "event\.(\w+)"')
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
    """The variables that conditions on events of one type can read."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self.types = dict(types)
        self.reads_member = False
        self._compiled: dict[str, Condition] = {}
        variables = {f"event.{name}": CEL_TYPES[kind] for name, kind in types.items()}
        self._env = cel.NewEnv(variables={**variables, _TIERS: cel.Type.Map(cel.Type.STRING, cel.Type.STRING)})

    def compile(self, source: str) -> "Condition":
        """Check a condition against the schema; InvalidCondition where it does not fit.

        The same source gives the same condition, so that an event answers it once for all definitions that ask.
        """
        if source not in self._compiled:
            self._compiled[source] = self._checked(source)
        return self._compiled[source]

    def _checked(self, source: str) -> "Condition":
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
            expression = self._env.compile(source)
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
        self.reads_member = self.reads_member or "member" in source
        return Condition(source, expression, _comparison(source, self.types))

    def activation(self, properties: Mapping[str, Any], tiers: Mapping[str, str]) -> cel.Activation:
        """What every condition on one event reads, the member's tiers by ladder included; made once for all of them."""
        seen = {f"event.{name}": _seen_by_cel(value) for name, value in properties.items()}
        if self.reads_member:
            seen[_TIERS] = tiers
        return self._env.Activation(seen)

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
        elif "undeclared reference to 'member" in problem:
            advice = (
                "; of the member a condition reads `member.tiers['LADDER']` alone: what depends on a balance is a spend rule or"
                " an automatic reward"
            )
        elif "undeclared reference" in problem:
            known = ", ".join(f"event.{name}" for name in sorted(self.types)) or "none"
            advice = f"; this event type has: {known}"
        return f"at {line}:{column}: {problem.strip()}{advice}"


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
        return self.compare(float(value) if isinstance(value, Decimal) else value, self.literal)


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


def _missing(name: str) -> str:
    return f"this event has no `{name}`; send it with each event, or say `required: true` of it in its event type"


def _reason(said: str) -> str:
    """What CEL says of a failure, in words that say how to mend it."""
    absent = _ABSENT.search(said)
    if absent is not None:
        return _missing(absent[1])
    known = next((words for part, words in _MENDING.items() if part in said), None)
    return known or f"{said[:SAID_CHARACTERS_MAX]}; let the condition ask first for what it needs"


def _seen_by_cel(value: Any) -> Any:
    """CEL knows no decimal; everything else a property can be, it takes as it is."""
    return float(value) if isinstance(value, Decimal) else value
