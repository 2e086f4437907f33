"""`engagement migrate`: bring the database to the newest schema."""

import asyncio
import sys

from engagement import embedded
from engagement.cli.options import DEFAULT_DATA, DataOption
from engagement.cli.stopping import Stop
from engagement.records.database import migrate as bring_up_to_date
from engagement.settings import Settings


def migrate(data: DataOption = None) -> None:
    """Bring the database to the newest schema; harmless where it has that already.

    Uses DATABASE_OWNER_URL, the login of the role engagement_owner, or the embedded servers. Those are brought up to date by
    every command that starts them, so this is for servers of your own.

    Example: DATABASE_OWNER_URL=postgresql://engagement_owner:…@db/engagement engagement migrate
    """
    settings = Settings()
    if data is None and settings.database_owner_url:
        asyncio.run(bring_up_to_date(settings.database_owner_url))
    elif data is None and settings.database_url:
        raise Stop("DATABASE_URL is set, but DATABASE_OWNER_URL is not: migrating needs the role engagement_owner.")
    else:
        with embedded.servers(data or DEFAULT_DATA) as endpoints:
            asyncio.run(bring_up_to_date(endpoints.database_owner_url))
    print("The schema is up to date.", file=sys.stderr)
