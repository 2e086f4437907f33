"""Descriptions that several types share."""

from typing import Final

MEMBER: Final = "The app's own id of the member."
KEY: Final = "The key that the program gives it."
NAME: Final = "What people call it; the key where the program gives no name."
DESCRIPTION: Final = "What the program says about it; may be empty."
IDEMPOTENCY_KEY: Final = "A key of your own, 1 to 64 printable characters."
CURRENCY: Final = "The key of the currency."
