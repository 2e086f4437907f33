"""`engagement rebuild`: make what is stored be what the inputs say."""

from engagement.actions.verify import rebuild as rebuilding
from engagement.cli.options import DataOption
from engagement.cli.verify import ProgramOption, verify, walk_members


def rebuild(program: ProgramOption, data: DataOption = None) -> None:
    """Write again what follows from the inputs, where it is stored otherwise; then verify.

    Scores that change reach the boards in Redis by way of the outbox, like any others.

    Example: engagement rebuild --program grocer
    """
    walk_members(program, data, rebuilding, "Rebuilding")
    verify(program, data)
