"""Draws with their seeds, and who won in them, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: a seed that is lost can prove nothing."""

    dependencies = [("records", "0029_no_values_in_statistics")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
