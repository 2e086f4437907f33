"""The first schema: every table, constraint, policy and grant, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: going back from the first schema means dropping the database."""

    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
