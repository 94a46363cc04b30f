-- The list of what was applied.

-- name: unlimited
SET statement_timeout = 0

-- name: lock
SELECT pg_advisory_xact_lock(%(key)s)

-- name: create_list
CREATE TABLE IF NOT EXISTS migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL
)

-- name: has_list
SELECT to_regclass('migration') IS NOT NULL AS there

-- name: applied
SELECT name, sha256 FROM migration

-- name: record
INSERT INTO migration (name, sha256, applied_at) VALUES (%(name)s, %(sha256)s, %(at)s)
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = excluded.applied_at

-- name: unrecord
DELETE FROM migration WHERE name = ANY (%(names)s::text[])

-- name: timescale
-- Without the preload, CREATE EXTENSION would end the session. An unprivileged user does not see that setting, and could
-- not make the extension either: then an administrator makes it beforehand.
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS installed,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
    AND EXISTS (SELECT FROM pg_settings WHERE name = 'shared_preload_libraries' AND setting LIKE '%timescaledb%')
    AS installable

-- name: create_timescale
CREATE EXTENSION IF NOT EXISTS timescaledb

-- name: never_refreshed
-- Continuous aggregates that hold nothing yet though there is something to count: a database that was plain PostgreSQL, or
-- an aggregate that is new. Their policies look back 28 days, what is older would not be counted from their first run on;
-- or at everything, but the newest first, so that counts would lack what is older until they are done. Asked before the
-- commit that gives the policies to the server. In the order in which they rest on one another.
SELECT format('CALL refresh_continuous_aggregate(%L, NULL, NULL)', a.view_name) AS refresh
FROM timescaledb_information.continuous_aggregates a
JOIN unnest(ARRAY['site_hours', 'site_days', 'grid_days', 'grid_hours', 'substation_hours', 'district_days', 'grid_totals'])
    WITH ORDINALITY AS ours (name, place) ON ours.name = a.view_name
WHERE a.view_schema = current_schema
  AND EXISTS (SELECT FROM incident_message)
  AND NOT EXISTS (
      SELECT FROM timescaledb_information.chunks c
      WHERE c.hypertable_schema = a.materialization_hypertable_schema
        AND c.hypertable_name = a.materialization_hypertable_name
  )
ORDER BY ours.place
