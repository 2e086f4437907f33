#!/usr/bin/env bash
# Run once, by the PostgreSQL image, when it makes its data directory: the two roles, and the database of the first.
set -euo pipefail

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv owner_password ENGAGEMENT_OWNER_PASSWORD
\getenv app_password ENGAGEMENT_APP_PASSWORD
CREATE ROLE engagement_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD :'owner_password';
CREATE ROLE engagement_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD :'app_password';
CREATE DATABASE engagement OWNER engagement_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE engagement FROM PUBLIC;
GRANT CONNECT ON DATABASE engagement TO engagement_app;
SQL
