"""The program that most figures are of: the grocer's as it was from the beginning."""

from pathlib import Path
from typing import Any, Final

from engagement.cli.documents import read_program

ROOT: Final = Path(__file__).parents[1]
GROCER: Final = ROOT / "examples" / "grocer.yaml"
_LEFT_OUT: Final = ("tier_ladders", "vouchers", "entitlements", "draws", "rewards")


def grocer() -> dict[str, Any]:
    """The grocer's document without its tiers and its shop, so that figures stand beside those of before it had them."""
    return {section: each for section, each in read_program(GROCER).items() if section not in _LEFT_OUT}
