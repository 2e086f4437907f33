"""What a mutation answers instead of its success: one member of a union for each kind of refusal, made in this place alone."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final, Generic, TypeVar

import strawberry
from strawberry.schema.exception_handlers import ExceptionHandler

from engagement import errors
from engagement.api.merge_reasons import MergeReason, UnmergeReason
from engagement.api.movements import HoldState
from engagement.api.redeemed import BenefitState, RedemptionState
from engagement.api.scalars import Points
from engagement.errors import Refusal

_CODE = "A stable word for programs."
_MESSAGE = "A sentence that says how to mend it."
_FIELD = "The path of the input field at fault, where there is one."


@strawberry.interface(description="Why a request, or a part of it, was refused.")
class UserError:
    """What all refusals have in common."""

    code: str = strawberry.field(description=_CODE)
    message: str = strawberry.field(description=_MESSAGE)
    field: str | None = strawberry.field(description=_FIELD)


@strawberry.type(description="The input breaks a stated limit or shape; nothing was done.")
class InvalidInputError(UserError):
    """Sending it again unchanged will not help."""


@strawberry.type(description="There is nothing of that name in the program of this credential; nothing was done.")
class NotFoundError(UserError):
    """Also what a caller hears of another's data."""


@strawberry.type(description="The member was erased: nothing is recorded of her any more, and nothing was done.")
class MemberErasedError(UserError):
    """Also what a late repeat hears."""


@strawberry.type(description="The event was reversed, which is final; nothing was done.")
class AlreadyReversedError(UserError):
    """Nothing can be said of an event after its reversal; a new event says what is to count instead."""


@strawberry.type(description="This may be done only once in a while; the message says from when on. Nothing was done.")
class TooSoonError(UserError):
    """A limit in time."""


@strawberry.type(description="The member's balance does not allow the price; nothing was done, and nothing taken.")
class NotEnoughPointsError(UserError):
    """What is missing."""

    currency: str = strawberry.field(description="The key of the currency of the price.")
    points: Points = strawberry.field(description="The price.")
    missing: Points = strawberry.field(description="How many of them she does not have.")


@strawberry.enum(description="Why a freeze cannot be bought, or a streak not be restored.")
class StreakReason(Enum):
    """What stands in the way."""

    NOT_OFFERED = strawberry.enum_value(
        "NOT_OFFERED", description="The streak knows no such thing, or not for members."
    )
    HOLDS_MOST = strawberry.enum_value("HOLDS_MOST", description="She holds as many freezes as there may be.")
    NOT_BROKEN = strawberry.enum_value("NOT_BROKEN", description="The streak has not broken.")
    TOO_LATE = strawberry.enum_value("TOO_LATE", description="It broke too long ago.")
    USED_UP = strawberry.enum_value("USED_UP", description="It was restored as often as it can be.")


@strawberry.type(
    description="The freeze cannot be bought, or the streak not be restored; nothing was done, and nothing taken."
)
class StreakRefusedError(UserError):
    """What stands in the way."""

    reason: StreakReason = strawberry.field(description="Why, in a word.")


@strawberry.enum(description="Why a tier cannot be bought.")
class TierReason(Enum):
    """What stands in the way."""

    NOT_FOR_SALE = strawberry.enum_value("NOT_FOR_SALE", description="The tier has no fee.")
    HELD = strawberry.enum_value(
        "HELD",
        description="She holds a tier as high already, for as long as the fee would let her, or as one can be bought.",
    )


@strawberry.type(description="The tier cannot be bought; nothing was done, and nothing taken.")
class TierRefusedError(UserError):
    """What stands in the way."""

    reason: TierReason = strawberry.field(description="Why, in a word.")


@strawberry.enum(description="Why a member cannot redeem a reward.")
class RewardReason(Enum):
    """What stands in the way."""

    NOT_STARTED = strawberry.enum_value("NOT_STARTED", description="It cannot be redeemed yet.")
    PAUSED = strawberry.enum_value("PAUSED", description="It is paused.")
    ENDED = strawberry.enum_value("ENDED", description="It has ended.")
    NOT_FOR_YOU = strawberry.enum_value("NOT_FOR_YOU", description="The member is not in its audience.")
    LIMIT_REACHED = strawberry.enum_value(
        "LIMIT_REACHED", description="The member has had it as often as one may for now."
    )
    OUT_OF_STOCK = strawberry.enum_value("OUT_OF_STOCK", description="None is left.")
    SESSION_FULL = strawberry.enum_value("SESSION_FULL", description="No place is left.")
    SESSION_OVER = strawberry.enum_value("SESSION_OVER", description="The session has begun already.")
    NOT_ENOUGH_POINTS = strawberry.enum_value(
        "NOT_ENOUGH_POINTS",
        description="The balance does not allow the price. Told in the catalogue; who redeems hears `NotEnoughPointsError` instead.",
    )


@strawberry.type(description="The reward cannot be redeemed; nothing was done, and nothing taken.")
class RewardRefusedError(UserError):
    """What stands in the way."""

    reason: RewardReason = strawberry.field(description="Why, in a word.")


@strawberry.type(description="The redemption is not in a state in which that can be done; nothing was done.")
class RedemptionRefusedError(UserError):
    """What stands in the way."""

    redemption_state: RedemptionState = strawberry.field(description="The state in which it is.")
    used: bool = strawberry.field(
        description="Whether it cannot be refunded because something that came of it was used, unless it is forced."
    )


@strawberry.type(description="The voucher cannot be used now; nothing was done.")
class BenefitRefusedError(UserError):
    """What stands in the way."""

    benefit_state: BenefitState = strawberry.field(
        description="The state in which it is; issued, where it cannot be used yet."
    )


@strawberry.enum(description="Why a period cannot be closed.")
class PeriodReason(Enum):
    """What stands in the way."""

    CLOSED = strawberry.enum_value("CLOSED", description="It is closed already.")
    OUT_OF_ORDER = strawberry.enum_value("OUT_OF_ORDER", description="Another one comes first.")
    NOT_OVER = strawberry.enum_value("NOT_OVER", description="It is not over.")
    NOT_SETTLED = strawberry.enum_value(
        "NOT_SETTLED",
        description="Something that happened before its end is still to be worked on, which the worker does.",
    )


@strawberry.type(description="The period cannot be closed; nothing was done.")
class PeriodRefusedError(UserError):
    """What stands in the way."""

    reason: PeriodReason = strawberry.field(description="Why, in a word.")


@strawberry.type(description="It is more than a limit allows; nothing was done.")
class LimitExceededError(UserError):
    """What may still be."""

    left: Points = strawberry.field(description="How much the limit still allows.")


@strawberry.type(description="The program does not allow this to anybody; nothing was done.")
class NotAllowedError(UserError):
    """What the marketer may change."""


@strawberry.type(description="The hold has ended before; nothing was done.")
class HoldNotOpenError(UserError):
    """A hold ends once."""

    state: HoldState = strawberry.field(description="How it ended.")


@strawberry.type(description="The members cannot be merged; nothing was done.")
class MergeRefusedError(UserError):
    """What stands in the way."""

    reason: MergeReason = strawberry.field(description="Why, in a word.")


@strawberry.type(description="The merge cannot be undone; nothing was done.")
class UnmergeRefusedError(UserError):
    """What stands in the way."""

    reason: UnmergeReason = strawberry.field(description="Why, in a word.")


@strawberry.type(description="The program is no sandbox, so it has no test clock; nothing was done.")
class NotASandboxError(UserError):
    """Only a sandbox has a test clock."""


@strawberry.type(description="The idempotency key was used with another input; nothing was done.")
class IdempotencyKeyReusedError(UserError):
    """A new command takes a new key."""


@strawberry.type(
    description="Send the same request again, with the same keys and ids. The code says why: `IN_PROGRESS`, `OVERLOADED`,"
    " `UNAVAILABLE` (nothing was done), or `OUTCOME_UNKNOWN` (it may have been done)."
)
class TryAgainError(UserError):
    """A bad moment, not a bad request."""


@strawberry.type(description="One thing wrong with a program document.")
class Mistake:
    """A place in the document, and what to do about it."""

    path: str = strawberry.field(description="Where: section, position and field, like `challenges[0].window`.")
    message: str = strawberry.field(description="What is wrong, and how to mend it.")


@strawberry.type(description="The program document has mistakes; nothing of it was applied.")
class InvalidProgramError(UserError):
    """All mistakes at once."""

    mistakes: list[Mistake] = strawberry.field(description="Every mistake that was found.")


R = TypeVar("R", bound=Refusal)


class _Told(Generic[R]):
    """Turns one kind of refusal into one type of error, in every union that has that type."""

    def __init__(self, refused: Iterable[type[R]], error_type: type[Any], tell: Callable[[R], Any]) -> None:
        self.exception_type = tuple(refused)
        self.error_type = error_type
        self._tell = tell

    def handle(self, exception: R, *, field: Any, info: Any) -> Any:
        """The union's member."""
        info.context.answer.code = exception.code
        return self._tell(exception)


def _plainly(error_type: type[Any]) -> Callable[[Refusal], Any]:
    return lambda refusal: error_type(code=refusal.code, message=refusal.message, field=refusal.field)


def _not_enough(refusal: errors.NotEnoughPoints) -> NotEnoughPointsError:
    return NotEnoughPointsError(
        code=refusal.code,
        message=refusal.message,
        field=refusal.field,
        currency=refusal.currency,
        points=Points(refusal.points),
        missing=Points(refusal.missing),
    )


def _streak_refused(refusal: errors.StreakRefused) -> StreakRefusedError:
    reason = StreakReason[refusal.reason.name]
    return StreakRefusedError(code=refusal.code, message=refusal.message, field=refusal.field, reason=reason)


def _tier_refused(refusal: errors.TierRefused) -> TierRefusedError:
    reason = TierReason[refusal.reason.name]
    return TierRefusedError(code=refusal.code, message=refusal.message, field=refusal.field, reason=reason)


def _reward_refused(refusal: errors.RewardRefused) -> RewardRefusedError:
    reason = RewardReason[refusal.reason.name]
    return RewardRefusedError(code=refusal.code, message=refusal.message, field=refusal.field, reason=reason)


def _redemption_refused(refusal: errors.RedemptionRefused) -> RedemptionRefusedError:
    return RedemptionRefusedError(
        code=refusal.code,
        message=refusal.message,
        field=refusal.field,
        redemption_state=RedemptionState[refusal.state.upper()],
        used=refusal.used,
    )


def _benefit_refused(refusal: errors.BenefitRefused) -> BenefitRefusedError:
    state = BenefitState[refusal.state.upper()]
    return BenefitRefusedError(code=refusal.code, message=refusal.message, field=refusal.field, benefit_state=state)


def _period_refused(refusal: errors.PeriodRefused) -> PeriodRefusedError:
    reason = PeriodReason[refusal.reason.name]
    return PeriodRefusedError(code=refusal.code, message=refusal.message, field=refusal.field, reason=reason)


def _limit_exceeded(refusal: errors.LimitExceeded) -> LimitExceededError:
    left = Points(refusal.left)
    return LimitExceededError(code=refusal.code, message=refusal.message, field=refusal.field, left=left)


def _hold_not_open(refusal: errors.HoldNotOpen) -> HoldNotOpenError:
    state = HoldState[refusal.state.upper()]
    return HoldNotOpenError(code=refusal.code, message=refusal.message, field=refusal.field, state=state)


def _merge_refused(refusal: errors.MergeRefused) -> MergeRefusedError:
    reason = MergeReason[refusal.reason.name]
    return MergeRefusedError(code=refusal.code, message=refusal.message, field=refusal.field, reason=reason)


def _unmerge_refused(refusal: errors.UnmergeRefused) -> UnmergeRefusedError:
    reason = UnmergeReason[refusal.reason.name]
    return UnmergeRefusedError(code=refusal.code, message=refusal.message, field=refusal.field, reason=reason)


def _invalid_program(refusal: errors.InvalidProgram) -> InvalidProgramError:
    return InvalidProgramError(
        code=refusal.code,
        message=refusal.message,
        field=refusal.field,
        mistakes=[Mistake(path=each.path, message=each.message) for each in refusal.mistakes],
    )


HANDLERS: Final[tuple[ExceptionHandler[Any], ...]] = (
    _Told([errors.InvalidProgram], InvalidProgramError, _invalid_program),
    _Told([errors.InvalidInput], InvalidInputError, _plainly(InvalidInputError)),
    _Told([errors.NotFound], NotFoundError, _plainly(NotFoundError)),
    _Told([errors.MemberErased], MemberErasedError, _plainly(MemberErasedError)),
    _Told([errors.AlreadyReversed], AlreadyReversedError, _plainly(AlreadyReversedError)),
    _Told([errors.TooSoon], TooSoonError, _plainly(TooSoonError)),
    _Told([errors.NotEnoughPoints], NotEnoughPointsError, _not_enough),
    _Told([errors.StreakRefused], StreakRefusedError, _streak_refused),
    _Told([errors.TierRefused], TierRefusedError, _tier_refused),
    _Told([errors.RewardRefused], RewardRefusedError, _reward_refused),
    _Told([errors.RedemptionRefused], RedemptionRefusedError, _redemption_refused),
    _Told([errors.BenefitRefused], BenefitRefusedError, _benefit_refused),
    _Told([errors.PeriodRefused], PeriodRefusedError, _period_refused),
    _Told([errors.MergeRefused], MergeRefusedError, _merge_refused),
    _Told([errors.UnmergeRefused], UnmergeRefusedError, _unmerge_refused),
    _Told([errors.HoldNotOpen], HoldNotOpenError, _hold_not_open),
    _Told([errors.LimitExceeded], LimitExceededError, _limit_exceeded),
    _Told([errors.NotAllowed], NotAllowedError, _plainly(NotAllowedError)),
    _Told([errors.NotASandbox], NotASandboxError, _plainly(NotASandboxError)),
    _Told([errors.IdempotencyKeyReused], IdempotencyKeyReusedError, _plainly(IdempotencyKeyReusedError)),
    _Told(
        [errors.InProgress, errors.Overloaded, errors.Unavailable, errors.OutcomeUnknown],
        TryAgainError,
        _plainly(TryAgainError),
    ),
)
"""The schema applies the first that fits the refusal and is in the field's union; the rest become coded errors."""
