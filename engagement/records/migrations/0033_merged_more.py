"""Redemptions, what the shop gave and consents of members who are a part of another, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: who said what is known from here on, and is not to be forgotten."""

    dependencies = [("records", "0032_what_is_nearly_always_empty")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
