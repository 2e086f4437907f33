"""Idempotency keys: what they look like, and that one stands for one input."""

import hashlib
from typing import Final

from engagement.errors import IdempotencyKeyReused, InvalidInput

KEY_LENGTH: Final = 64


def check_key(key: str) -> None:
    """Raise `InvalidInput` for a key of the wrong form."""
    if not (0 < len(key) <= KEY_LENGTH and key.isprintable()):
        raise InvalidInput(f"An idempotency key has 1 to {KEY_LENGTH} printable characters.", "idempotencyKey")


def digest_of(command: bytes) -> bytes:
    """What is kept of an input to know it again."""
    return hashlib.sha256(command).digest()


def check_same(kept: bytes, digest: bytes) -> None:
    """Raise `IdempotencyKeyReused` where a key was used with another input."""
    if kept != digest:
        raise IdempotencyKeyReused("This key was used with another input.", "idempotencyKey")
