"""How often columns are empty of whose values the planner knows none, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: the planner would go through whole tables again."""

    dependencies = [("records", "0031_unmerging")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
