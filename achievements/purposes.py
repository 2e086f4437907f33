"""For what a program asks its members' consent.

Nothing that is counted looks at it: whether somebody agreed is kept beside the rules, not in them. What people were asked is kept in
the versions of the definition, so each consent names the one that was in force.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from achievements.parts import Definition
from achievements.rewards import LOCALES_MAX, Locale, Text


class Purpose(Definition, frozen=True, kw_only=True):
    """Something that members agree to, or not: its name and description are what they read, in other locales as `texts` say."""

    kind = "purpose"

    texts: Annotated[Mapping[Locale, Text], msgspec.Meta(max_length=LOCALES_MAX)] = msgspec.field(default_factory=dict)
