"""What rewards can give besides points: vouchers, entitlements, and entries in a draw.

The fold says that one was given, to whom and until when. What becomes of it (a code, a place at the door, a winner) is the
shop's: a definition here names it, so that a reward that names another is found when it is saved.
"""

from achievements.parts import Definition


class Voucher(Definition, frozen=True, kw_only=True):
    """Something that is handed out once to a member, and used once."""

    kind = "voucher"


class Entitlement(Definition, frozen=True, kw_only=True):
    """A right that a member has: while it is given, or for good."""

    kind = "entitlement"


class Draw(Definition, frozen=True, kw_only=True):
    """A draw in which members have entries."""

    kind = "draw"
