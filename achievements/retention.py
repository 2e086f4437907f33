"""How long a program keeps what is needed for a while only. Nothing that is counted rests on it."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from achievements.parts import Definition

Kept: TypeAlias = Literal["feed", "answers"]
KEPT_DAYS_MIN, KEPT_DAYS_MAX = 30, 3_650


class Retention(Definition, frozen=True, kw_only=True):
    """For how many days the items of feeds, or the answers to commands with an idempotency key, are kept."""

    kind = "retention"

    key: Kept
    days: Annotated[int, msgspec.Meta(ge=KEPT_DAYS_MIN, le=KEPT_DAYS_MAX)]
