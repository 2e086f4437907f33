"""How much a compiled condition can build and do: read off CEL's checked expression, before the condition is ever asked.

CEL bounds how often loops go round, not what they build or what a round costs. What nothing bounds is refused: `+` on strings,
bytes and lists, `map`, and loop variables in a list or map that is written out. Without them no value becomes larger than what
the event and the condition themselves hold. What is left is counted in steps.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from achievements.events import LIST_LENGTH_MAX

STEPS_MAX = 600_000
"""Of a condition asked of the largest event; a step is about what it takes to look at one item of a list."""

_REPEATED = 20_000

_JOINS = frozenset((b"add_string", b"add_bytes", b"add_list"))
_CONSTANT, _NAME, _SELECTION, _CALL, _LIST, _STRUCT, _LOOP = range(3, 10)
# What looks at no more than one number, or a few characters. Anything else can look at a whole list or text.
_SHORT = frozenset(
    b"_&&_ _||_ !_ _?_:_ @not_strictly_false _<_ _<=_ _>_ _>=_ _+_ _-_ _*_ _/_ _%_ -_ _[_] size startsWith endsWith".split()
)
_EQUALITIES = frozenset((b"_==_", b"_!=_"))

_Fields: TypeAlias = Mapping[int, list[Any]]


def overdone(compiled: bytes, source: str) -> str | None:
    """Why a condition could build or do too much, with the place in its source; None where it cannot."""
    checked = _read(_read(compiled)[2][0])
    info = _read(checked[5][0])
    places = {one[1][0]: one.get(2, [0])[0] for one in map(_read, info.get(4, ()))}
    root = _read(checked[4][0])
    loops = {loop[1][0] for node in _within(root) for loop in (_part(node, _LOOP),) if loop is not None}
    # The sums that `filter` and its like are made of stand where their parenthesis does.
    joins = [
        places[entry[1][0]]
        for entry in map(_read, checked.get(2, ()))
        if source[places[entry[1][0]]] == "+" and not _JOINS.isdisjoint(_read(entry[2][0]).get(3, ()))
    ]
    if joins:
        return f"{position_of(source, min(joins))}: strings, bytes and lists are not joined with `+`; compare each by itself"
    for node in _within(root):
        loop = _part(node, _LOOP)
        if loop is not None and _builds(loop):
            return f"{position_of(source, places[node[2][0]])}: there is no `map`; use `exists`, `all` or `filter`"
        written = _part(node, _LIST) if source[places[node[2][0]]] == "[" else _part(node, _STRUCT)
        if written is not None and any(_name(each) in loops for each in _within(node)):
            return (
                f"{position_of(source, places[node[2][0]])}: what is written out as a list or map holds no variable of a loop;"
                " name the event's properties or literals in it"
            )
    if _steps(root, _Largest.of(root)) > STEPS_MAX:
        return (
            f"this can take more than {STEPS_MAX} steps; nest fewer loops, do less in the innermost, or count less often in"
            " `matches`"
        )
    return None


class _Largest(NamedTuple):
    """The most items that a loop can go through, and that a comparison can come upon."""

    list: int
    value: int

    @classmethod
    def of(cls, root: _Fields) -> "_Largest":
        longest, held = LIST_LENGTH_MAX, 1
        for node in _within(root):
            if _LIST in node or _STRUCT in node:
                longest = max(longest, len(_children(node)))
                held += sum(_name(each) is not None for each in _children(node))
        return cls(longest, LIST_LENGTH_MAX * held)


def _builds(loop: _Fields) -> bool:
    """Whether a loop makes a list of anything but the very items that it goes through."""
    if _part(_read(loop[4][0]), _LIST) is None:
        return False
    step = _read(loop[6][0])
    call = _part(step, _CALL)
    if call is not None and call[2][0] == b"_?_:_":
        call = _part(_read(call[3][1]), _CALL)
    added = _children(_read(call[3][1])) if call is not None else []
    return [_name(each) for each in added] != loop[1]


def _steps(node: _Fields, largest: _Largest) -> int:
    loop = _part(node, _LOOP)
    if loop is not None:
        items = _read(loop[2][0])
        rounds = len(_children(items)) if _LIST in items else largest.list
        each = sum(_steps(_read(loop[number][0]), largest) for number in (5, 6))
        return 1 + _steps(items, largest) + rounds * each
    call, children = _part(node, _CALL), _children(node)
    own = 1 if call is None else _own_steps(call[2][0], children, largest)
    return own + sum(_steps(child, largest) for child in children)


def _own_steps(function: bytes, arguments: list[_Fields], largest: _Largest) -> int:
    """What a call takes besides its arguments."""
    if function in _SHORT:
        return 1
    if function in _EQUALITIES and any(_CONSTANT in each for each in arguments):
        return 1
    # A pattern that counts, as `(a{9}){9}`, costs as much as what it stands for is long.
    if function == b"matches" and not (_CONSTANT in arguments[-1] and b"{" not in arguments[-1][_CONSTANT][0]):
        return _REPEATED
    return largest.value


def _within(node: _Fields) -> Iterator[_Fields]:
    """An expression and all it is made of."""
    open_ = [node]
    while open_:
        node = open_.pop()
        yield node
        open_ += _children(node)


def _children(node: _Fields) -> list[_Fields]:
    for kind, numbers in ((_SELECTION, (1,)), (_CALL, (1, 3)), (_LIST, (1,)), (_LOOP, (2, 4, 5, 6, 7))):
        part = _part(node, kind)
        if part is not None:
            return [_read(each) for number in numbers for each in part.get(number, ())]
    struct = _part(node, _STRUCT)
    entries = map(_read, struct.get(2, ())) if struct is not None else ()
    return [_read(each) for entry in entries for number in (3, 4) for each in entry.get(number, ())]


def _name(node: _Fields) -> bytes | None:
    part = _part(node, _NAME)
    return None if part is None else bytes(part[1][0])


def _part(node: _Fields, kind: int) -> _Fields | None:
    return _read(node[kind][0]) if kind in node else None


def position_of(source: str, place: int) -> str:
    """A place as line:column, both from 1."""
    before = source[:place]
    return f"at {before.count(chr(10)) + 1}:{place - before.rfind(chr(10))}"


def _read(message: bytes) -> _Fields:
    """The fields of a message in the wire format of protocol buffers, by their numbers."""
    fields: dict[int, list[Any]] = {}
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        value: Any
        if key & 7 == 0:
            value, place = _number(message, place)
        else:
            size = {1: 8, 5: 4}.get(key & 7)
            if size is None:
                size, place = _number(message, place)
            value, place = message[place : place + size], place + size
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _number(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
