"""Closed boards, and what became of their prizes, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: what is final stays so."""

    dependencies = [("records", "0015_counted_anew")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
