"""Holds of members who are a part of another, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: what was one history cannot be told apart."""

    dependencies = [("records", "0025_merges")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
