"""Tables as Tortoise sees them, for ordinary queries; their true keys and constraints are in `migrations/`.

Tortoise knows keys of one column only, and our tables begin theirs with the program. So the field that is marked as primary
key here is not one in the database: filter by `program_id` first, and never call `save()`, `delete()` or `get(pk=…)`.
Nothing is queried without `using_db(unit.db)`, which keeps it in the unit's transaction and program.
"""

from tortoise import fields
from tortoise.models import Model


class ProgramRow(Model):
    """A tenant."""

    id = fields.IntField(primary_key=True)
    key = fields.TextField()
    name = fields.TextField()
    timezone = fields.TextField()
    sandbox = fields.BooleanField()
    clock = fields.DatetimeField(null=True)
    horizon_days = fields.IntField(null=True)
    revision = fields.IntField()
    token_secret = fields.BinaryField()

    class Meta:
        """Tortoise's settings."""

        table = "program"


class DefinitionVersionRow(Model):
    """One published version of a definition. `body` stays JSON text, for msgspec to read."""

    program_id = fields.IntField()
    kind = fields.TextField()
    key = fields.CharField(max_length=255, primary_key=True)
    version = fields.IntField()
    body = fields.TextField()
    active_from = fields.DatetimeField()
    active_until = fields.DatetimeField(null=True)
    counts_from = fields.DatetimeField(null=True)
    revision = fields.IntField()
    take_back = fields.BooleanField()

    class Meta:
        """Tortoise's settings."""

        table = "definition_version"
