"""What the service refuses, and why.

A `Refusal` is an expected failure: the caller did something that a rule forbids, or asked at a bad moment. It has a stable
`code`, a sentence that says how to mend it, and the `field` (a path into the input) where there is one. The API turns each
into the member of a result union or a coded GraphQL error; anything else that is raised is a defect and is masked.
"""

from enum import StrEnum
from typing import ClassVar

from achievements.fees import Unsold
from achievements.parts import Mistake
from achievements.saving import Refused


class Refusal(Exception):
    """An expected failure. Subclasses fix `code`; `retryable` says whether the same request may succeed later."""

    code: ClassVar[str] = "REFUSED"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Again(Exception):
    """What a unit was about to do rests on what another has changed meanwhile: it has to begin again."""


class InvalidInput(Refusal):
    """The input breaks a stated limit or shape."""

    code = "INVALID_INPUT"


class InvalidProgram(Refusal):
    """A program document with mistakes; nothing of it was applied."""

    code = "INVALID_PROGRAM"

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        listed = "; ".join(f"{each.path}: {each.message}" for each in mistakes)
        super().__init__(listed, mistakes[0].path if mistakes else None)
        self.mistakes = mistakes


class NotFound(Refusal):
    """Nothing of that name in the caller's program."""

    code = "NOT_FOUND"


class MemberErased(Refusal):
    """The member was erased: nothing is recorded of her any more."""

    code = "MEMBER_ERASED"

    @classmethod
    def of(cls, external_id: str, field: str = "member") -> "MemberErased":
        """The refusal of what names her."""
        return cls(f"Member `{external_id}` was erased; nothing is recorded of her.", field)


class AlreadyReversed(Refusal):
    """The event was taken back, which is final."""

    code = "ALREADY_REVERSED"


class TooSoon(Refusal):
    """What may be done only once in a while was done a short while ago; the message says from when on it may be again."""

    code = "TOO_SOON"
    retryable = True


class NotEnoughPoints(Refusal):
    """A price in `points` of a currency that the member's balance does not allow: so many are `missing`."""

    code = "NOT_ENOUGH_POINTS"

    def __init__(self, currency: str, points: int, missing: int, field: str | None = None) -> None:
        super().__init__(f"It costs {points:,} `{currency}`, and {missing:,} of them are missing.", field)
        self.currency = currency
        self.points = points
        self.missing = missing


class StreakRefused(Refusal):
    """A freeze that cannot be bought, or a streak that cannot be restored, and the `reason` in one word."""

    code = "STREAK_REFUSED"

    def __init__(self, reason: Refused, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.reason = reason


class TierRefused(Refusal):
    """A tier that cannot be bought, and the `reason` in one word."""

    code = "TIER_REFUSED"

    def __init__(self, reason: Unsold, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.reason = reason


class Unredeemable(StrEnum):
    """Why a member cannot redeem a reward, but for the points."""

    NOT_STARTED = "not_started"
    PAUSED = "paused"
    ENDED = "ended"
    NOT_FOR_YOU = "not_for_you"
    LIMIT_REACHED = "limit_reached"
    OUT_OF_STOCK = "out_of_stock"
    SESSION_FULL = "session_full"
    SESSION_OVER = "session_over"


class RewardRefused(Refusal):
    """A reward that cannot be redeemed, and the `reason` in one word."""

    code = "REWARD_REFUSED"

    def __init__(self, reason: Unredeemable, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.reason = reason


class RedemptionRefused(Refusal):
    """A redemption that is not in the state in which that can be done (`state` is the one it is in), or something of it was `used`."""

    code = "REDEMPTION_REFUSED"

    def __init__(self, state: str, message: str, field: str | None = None, *, used: bool = False) -> None:
        super().__init__(message, field)
        self.state = state
        self.used = used


class BenefitRefused(Refusal):
    """A voucher that cannot be used now: `state` is the one it is in."""

    code = "BENEFIT_REFUSED"

    def __init__(self, state: str, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.state = state


class Unclosable(StrEnum):
    """Why a period cannot be closed."""

    CLOSED = "closed"
    OUT_OF_ORDER = "out_of_order"
    NOT_OVER = "not_over"
    NOT_SETTLED = "not_settled"


class PeriodRefused(Refusal):
    """A period that cannot be closed, and the `reason` in one word."""

    code = "PERIOD_REFUSED"

    def __init__(self, reason: Unclosable, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.reason = reason


class LimitExceeded(Refusal):
    """More than a limit allows; `left` is what it still does."""

    code = "LIMIT_EXCEEDED"

    def __init__(self, left: int, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.left = left


class NotAllowed(Refusal):
    """What the program does not allow anybody."""

    code = "NOT_ALLOWED"


class HoldNotOpen(Refusal):
    """A hold that has ended, and how: `state` is captured, voided or expired."""

    code = "HOLD_NOT_OPEN"

    def __init__(self, state: str, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.state = state


class Unmergeable(StrEnum):
    """Why a member cannot become a part of another."""

    MERGED = "merged"
    TOO_LONG = "too_long"
    TEAM = "team"
    REFERRAL = "referral"
    DRAW = "draw"
    PRIZE = "prize"
    SAME_EVENT = "same_event"
    PLACE = "place"
    KEEPS = "keeps"
    DECIDES = "decides"


class MergeRefused(Refusal):
    """Two members who cannot be merged, and the `reason` in one word."""

    code = "MERGE_REFUSED"

    def __init__(self, reason: Unmergeable, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.reason = reason


class Inseparable(StrEnum):
    """Why a merge cannot be undone."""

    NOT_MERGED = "not_merged"
    NOT_KEPT = "not_kept"
    LATER = "later"
    TOO_LONG = "too_long"
    SPENT = "spent"
    DECIDED = "decided"
    DECIDES = "decides"


class UnmergeRefused(Refusal):
    """A merge that cannot be undone, and the `reason` in one word."""

    code = "UNMERGE_REFUSED"

    def __init__(self, reason: Inseparable, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.reason = reason


class Unauthenticated(Refusal):
    """No credential, or one that is unknown, revoked or expired."""

    code = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """The credential is known but lacks the scope that the field needs."""

    code = "FORBIDDEN"


class NotASandbox(Refusal):
    """Only a sandbox has a test clock."""

    code = "NOT_A_SANDBOX"


class IdempotencyKeyReused(Refusal):
    """The key was used before, with another input."""

    code = "IDEMPOTENCY_KEY_REUSED"


class InProgress(Refusal):
    """Another request holds the same rows or the same key; ask again."""

    code = "IN_PROGRESS"
    retryable = True


class Overloaded(Refusal):
    """No database connection came free in time; ask again later."""

    code = "OVERLOADED"
    retryable = True


class Unavailable(Refusal):
    """PostgreSQL cannot be reached; nothing was done. Ask again later."""

    code = "UNAVAILABLE"
    retryable = True


class OutcomeUnknown(Refusal):
    """The deadline passed while the work was under way; repeat it with the same key or event ids to learn what happened."""

    code = "OUTCOME_UNKNOWN"
    retryable = True
