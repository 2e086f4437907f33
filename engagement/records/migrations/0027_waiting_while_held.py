"""Lots that wait again while some of them is set aside, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: what waits while some of it is set aside would break the constraint."""

    dependencies = [("records", "0026_moved_holds")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
