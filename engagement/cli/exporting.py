"""What `export` and `replay` share: reading a program's tables and writing them as files."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from engagement.actions.export import export
from engagement.actions.programs import Programs
from engagement.cli import tables
from engagement.records.programs import Program
from engagement.records.unit import Database


async def export_program(database: Database, program: Program, folder: Path, console: Console) -> None:
    """Write the analytics export of a program into `folder`, and say what it holds."""
    exported = await export(database, Programs(), program.id, tables.frame)
    counts = tables.write(exported, folder)
    told = Table(box=None)
    told.add_column("table")
    told.add_column("rows", justify="right")
    for table, rows in counts.items():
        told.add_row(table, f"{rows:,}")
    console.print(f"{program.key} as of {exported.now:%Y-%m-%d %H:%M:%S} UTC, in {folder}:", markup=False)
    console.print(told)
