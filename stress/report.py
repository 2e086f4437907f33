"""What a fault showed: what was done, and each measured value beside what it should be."""

from dataclasses import dataclass, field
from typing import Final

TOLD_LENGTH: Final = 100


@dataclass(frozen=True)
class Check:
    """A value as it was measured, what it should be, and whether it is. `timed`: it depends on how busy the machine is."""

    name: str
    measured: str
    wanted: str
    holds: bool
    timed: bool = False


@dataclass
class Report:
    """One run of a fault. `done` says what was done to the service, in a sentence."""

    done: str = ""
    checks: list[Check] = field(default_factory=list)

    def equal(self, name: str, measured: object, wanted: object) -> None:
        """`measured` has to be `wanted`."""
        self.checks.append(Check(name, _told(measured), _told(wanted), measured == wanted))

    def within(self, name: str, seconds: float | None, wanted_seconds: float) -> None:
        """Something has to take at most so long; None: it never happened, which no busy machine explains."""
        told = "never" if seconds is None else f"{seconds:.2f} s"
        holds = seconds is not None and seconds <= wanted_seconds
        self.checks.append(Check(name, told, f"at most {wanted_seconds:g} s", holds, timed=seconds is not None))

    def ratio(self, name: str, measured: float, wanted: float) -> None:
        """Something has to be at most so many times something else."""
        self.checks.append(Check(name, f"{measured:.2f}", f"at most {wanted:g}", measured <= wanted, timed=True))

    def holds(self, name: str, measured: object, wanted: str, holds: bool, *, timed: bool = False) -> None:
        """Anything else; `wanted` says in words what it should be."""
        self.checks.append(Check(name, _told(measured), wanted, holds, timed))

    def told(self, name: str, measured: object) -> None:
        """For the reader: there is nothing that it should be."""
        self.checks.append(Check(name, _told(measured), "", holds=True))

    @property
    def passed(self) -> bool:
        """Whether everything is as it should be."""
        return all(each.holds for each in self.checks)

    @property
    def wrong(self) -> list[Check]:
        """What is not as it should be, however busy the machine was."""
        return [each for each in self.checks if not each.holds and not each.timed]


def _told(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return text if len(text) <= TOLD_LENGTH else f"{text[:TOLD_LENGTH]}…"
