"""Conditions: CEL expressions over an event's properties and the member's tiers, checked when saved and cheap to ask.

A condition reads flat variables (`event.amount`), typed by the event type's schema, and is compiled once. `member.tiers` are
the tiers held before the event, by the ladder's key. Decimals are
compared as doubles: with at most 15 significant digits no two different amounts become equal, so a comparison is exact;
arithmetic on them would not be and is refused. What fails at run time (a property the event lacks, the iteration budget)
counts as not met.
"""

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from cel_expr_python import cel

from achievements.limits import overdone

CONDITION_CHARACTERS_MAX = 2_000

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
_LADDER = re.compile(r"""\bmember\.tiers\s*(?:\[\s*(?:"([^"]*)"|'([^']*)')\s*\]|\.\s*(\w+))""")


class InvalidCondition(Exception):
    """A condition that does not compile; the message gives the position (line:column, from 1) and the way out."""


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
        """Whether it is met; as under CEL, not where the event lacks the property."""
        value = properties.get(self.name)
        if value is None:
            return False
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
        """Whether it is met; what cannot be evaluated is not."""
        try:
            return self._expression.eval(activation).value() is True
        except RuntimeError:
            return False


def _seen_by_cel(value: Any) -> Any:
    """CEL knows no decimal; everything else a property can be, it takes as it is."""
    return float(value) if isinstance(value, Decimal) else value
