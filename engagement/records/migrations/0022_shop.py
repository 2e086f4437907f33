"""The rewards shop: stock, redemptions, codes, what members have of it, and what they save for, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: a code that was handed out was."""

    dependencies = [("records", "0021_adjustments")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
