"""Where the service finds its PostgreSQL and Redis, read from the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Connection settings; each also an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    database_url: str | None = Field(None, description="PostgreSQL, as the role engagement_app: postgresql://…")
    database_owner_url: str | None = Field(
        None, description="PostgreSQL, as the role engagement_owner; used by `migrate` alone."
    )
    redis_url: str | None = Field(None, description="Redis or Valkey: redis://… or unix://…")
