"""Where the service finds its PostgreSQL and Redis, and what it tells of itself, read from the environment."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Each is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    database_url: str | None = Field(None, description="PostgreSQL, as the role engagement_app: postgresql://…")
    database_owner_url: str | None = Field(
        None, description="PostgreSQL, as the role engagement_owner; used by `migrate` alone."
    )
    redis_url: str | None = Field(None, description="Redis or Valkey: redis://… or unix://…")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important lines to log: `info` has one for each operation."
    )
    metrics_token: SecretStr | None = Field(
        None, description="Where it is set, `/metrics` is for those alone who show it as a bearer token."
    )
