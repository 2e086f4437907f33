"""What rewards can give besides points, and becomes something to show at a counter: vouchers and entitlements.

The fold says that one was given, to whom and until when. What becomes of it (a code, a place at the door) is the
shop's: a definition here names it, so that a reward that names another is found when it is saved.
"""

from typing import Annotated, Literal

import msgspec

from achievements.parts import PREFIX_PATTERN, REWARD_DAYS_MAX, Definition, Misfit

CODE_BITS_MIN, CODE_BITS_MAX = 128, 256


class Voucher(Definition, frozen=True, kw_only=True):
    """Something that is handed out once to a member, and used once, by its code.

    Codes are `generated`, of a `prefix` and so many random `bits`, or come from a `pool` of imported ones.
    """

    kind = "voucher"

    codes: Literal["generated", "pool"] = "generated"
    prefix: Annotated[str, msgspec.Meta(pattern=PREFIX_PATTERN)] = ""
    bits: Annotated[int, msgspec.Meta(ge=CODE_BITS_MIN, le=CODE_BITS_MAX)] = CODE_BITS_MIN

    def __post_init__(self) -> None:
        if self.codes == "pool" and (self.prefix or self.bits != CODE_BITS_MIN):
            raise Misfit("prefix" if self.prefix else "bits", "what is imported into a `pool` is as it is")


class Entitlement(Definition, frozen=True, kw_only=True):
    """A right that a member has: while it is given, or for good. Where nothing says for how many `days` it is given, this does."""

    kind = "entitlement"

    days: Annotated[int, msgspec.Meta(ge=1, le=REWARD_DAYS_MAX)] | None = None
