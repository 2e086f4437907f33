"""Boards with groups, and how members are shown on boards, as written in the SQL file beside this one."""

from pathlib import Path

from tortoise.migrations.migration import Migration as Step
from tortoise.migrations.operations import RunSQL


class Migration(Step):
    """Not reversible: who has left the boards would be on them again."""

    dependencies = [("records", "0012_what_members_did")]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
