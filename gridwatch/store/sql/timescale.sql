-- What differs on TimescaleDB, and nothing else does: run after the migrations where the extension is there, and again
-- whenever this file changes, so every statement may be repeated.
--
-- Time-ordered tables become hypertables and old chunks are compressed. Rows, constraints, queries and results are
-- those of plain PostgreSQL. Of incidents and the audit nothing here deletes: retention has a floor, holds and an audit
-- entry for each deletion (regulation 799, articles 16 and 17), which a chunk-dropping policy knows nothing of. What
-- retention has emptied is dropped.

-- A chunk a week. What names no time is planned chunk by chunk, a millisecond and more each, and a year of days would
-- be 365 of them; a week of 300 busy cameras is half a million rows, which memory holds.
SELECT create_hypertable('incident_message', by_range('occurred_at', INTERVAL '7 days'),
                         if_not_exists => true, migrate_data => true);
SELECT set_chunk_time_interval('incident_message', INTERVAL '7 days');
-- What is not counted yet is looked for by time among the first messages alone, in place of TimescaleDB's own index of all.
CREATE INDEX IF NOT EXISTS incident_message_raised ON incident_message (occurred_at) WHERE seq = 0;
DROP INDEX IF EXISTS incident_message_occurred_at_idx;
SELECT create_hypertable('audit', by_range('at', INTERVAL '7 days'), if_not_exists => true, migrate_data => true);

-- Messages lie together in the order of time, not by camera: what is looked for, by incident, by cursor or to see whether
-- a late message is there already, is at one time. By camera each of these opened a batch of every camera, and took a
-- seventh less room. Of what they are ordered by each batch knows the least and the greatest.
ALTER TABLE incident_message SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = '',
    timescaledb.compress_orderby = 'occurred_at DESC, cursor DESC'
);
-- A week: later than any outbox is expected to deliver, as a late row into a compressed chunk costs a decompression.
SELECT add_compression_policy('incident_message', INTERVAL '7 days', if_not_exists => true);

ALTER TABLE audit SET (timescaledb.compress, timescaledb.compress_orderby = 'at DESC, id');
SELECT add_compression_policy('audit', INTERVAL '30 days', if_not_exists => true);

-- A day of 300 cameras is half a million rows, some 60 MB before compression: a chunk that fits in memory. What comes in
-- late comes within the week, as above. Of these whole chunks are dropped, where `forget_series` deletes rows elsewhere.
SELECT create_hypertable('observation', by_range('minute', INTERVAL '1 day'), if_not_exists => true, migrate_data => true);
SELECT create_hypertable('camera_health_change', by_range('at', INTERVAL '30 days'), if_not_exists => true,
                         migrate_data => true);
ALTER TABLE observation SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'camera', timescaledb.compress_orderby = 'minute DESC'
);
SELECT add_compression_policy('observation', INTERVAL '7 days', if_not_exists => true);
SELECT add_retention_policy('observation', INTERVAL '90 days', if_not_exists => true);
ALTER TABLE camera_health_change SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'camera', timescaledb.compress_orderby = 'at DESC'
);
SELECT add_compression_policy('camera_health_change', INTERVAL '30 days', if_not_exists => true);
SELECT add_retention_policy('camera_health_change', INTERVAL '90 days', if_not_exists => true);
CREATE OR REPLACE FUNCTION forget_series(now timestamptz) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';

-- The counts of 0003_statistics become continuous aggregates: the same views, which add what is newer than they are
-- (`materialized_only = false`). What arrives late is counted by the next refresh. They look back 28 days, less than the
-- least time that incidents are kept: so counts outlive what retention deletes, as they do on plain PostgreSQL. What is
-- older when they are made is counted once, by the program (`migrate.sql`).
DO $$
BEGIN
    IF EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_name = 'site_hours') THEN
        RETURN;
    END IF;
    DROP VIEW substation_hours, district_days, grid_totals, site_hours, site_days, grid_days;
    CREATE MATERIALIZED VIEW site_hours WITH (
        timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false
    ) AS
    SELECT time_bucket('1 hour', occurred_at) AS bucket, district, substation, checkpoint, kind, count(*) AS incidents
    FROM incident_message WHERE seq = 0 GROUP BY 1, 2, 3, 4, 5 WITH NO DATA;
    CREATE MATERIALIZED VIEW site_days WITH (
        timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false
    ) AS
    SELECT time_bucket('1 day', bucket) AS bucket, district, substation, checkpoint, kind, sum(incidents) AS incidents
    FROM site_hours GROUP BY 1, 2, 3, 4, 5 WITH NO DATA;
    CREATE MATERIALIZED VIEW grid_days WITH (
        timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false
    ) AS
    SELECT time_bucket('1 day', occurred_at) AS bucket, district, substation, checkpoint, grid, kind,
        count(*) AS incidents
    FROM incident_message WHERE seq = 0 AND grid IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6 WITH NO DATA;
END
$$;
-- The whole of 0041_totals: each from the smallest there is, so that what it must add, of today, is little. `grid_hours` is
-- there for that alone.
DO $$
BEGIN
    IF EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_name = 'grid_totals') THEN
        RETURN;
    END IF;
    DROP VIEW IF EXISTS substation_hours, district_days, grid_totals;
    CREATE MATERIALIZED VIEW substation_hours WITH (
        timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false
    ) AS
    SELECT time_bucket('1 hour', bucket) AS bucket, district, substation, kind, sum(incidents) AS incidents
    FROM site_hours GROUP BY 1, 2, 3, 4 WITH NO DATA;
    CREATE MATERIALIZED VIEW district_days WITH (
        timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false
    ) AS
    SELECT time_bucket('1 day', bucket) AS bucket, district, kind, sum(incidents) AS incidents
    FROM substation_hours GROUP BY 1, 2, 3 WITH NO DATA;
    CREATE MATERIALIZED VIEW grid_hours WITH (
        timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false
    ) AS
    SELECT time_bucket('1 hour', occurred_at) AS bucket, district, grid, count(*) AS incidents
    FROM incident_message WHERE seq = 0 AND grid IS NOT NULL GROUP BY 1, 2, 3 WITH NO DATA;
    CREATE MATERIALIZED VIEW grid_totals WITH (
        timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false
    ) AS
    SELECT time_bucket('1 day', bucket) AS bucket, district, grid, sum(incidents) AS incidents
    FROM grid_hours GROUP BY 1, 2, 3 WITH NO DATA;
END
$$;
-- Whole rows, so that the table itself is not read.
CREATE INDEX IF NOT EXISTS site_hours_whole ON site_hours (district, substation, bucket, kind) INCLUDE (checkpoint, incidents);
CREATE INDEX IF NOT EXISTS site_days_whole ON site_days (district, bucket, kind) INCLUDE (substation, checkpoint, incidents);
CREATE INDEX IF NOT EXISTS grid_days_whole ON grid_days (district, bucket, kind, grid)
    INCLUDE (substation, checkpoint, incidents);
CREATE INDEX IF NOT EXISTS substation_hours_whole ON substation_hours (district, substation, bucket, kind) INCLUDE (incidents);
CREATE INDEX IF NOT EXISTS grid_totals_whole ON grid_totals (district, bucket) INCLUDE (grid, incidents);
-- Only what is whole by then; days too, an hour after their end.
SELECT add_continuous_aggregate_policy(name::regclass, start_offset => since, end_offset => INTERVAL '1 hour',
    schedule_interval => INTERVAL '30 minutes', if_not_exists => true)
FROM (VALUES
    ('site_hours', INTERVAL '28 days'), ('site_days', INTERVAL '28 days'), ('grid_days', INTERVAL '28 days'),
    ('grid_hours', INTERVAL '28 days'),
    -- Of aggregates, which keep what retention deletes: so all of it, which is done once.
    ('substation_hours', NULL), ('district_days', NULL), ('grid_totals', NULL)
) AS aggregate (name, since);
CREATE OR REPLACE FUNCTION count_incidents(most bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';

-- Chunks that retention has emptied. First looked at without a lock, and again when nobody else can write: a late message
-- is never dropped with its chunk, it waits and gets a new one. Who holds the chunk is not waited for: there is a next day.
CREATE OR REPLACE FUNCTION forget_chunks(before timestamptz, most integer) RETURNS bigint LANGUAGE plpgsql
SET lock_timeout = '200ms' AS $$
DECLARE
    chunk record;
    filled boolean;
    dropped bigint := 0;
BEGIN
    FOR chunk IN
        SELECT format('%I.%I', c.chunk_schema, c.chunk_name) AS name, c.range_start, c.range_end
        FROM timescaledb_information.chunks c
        WHERE c.hypertable_schema = current_schema AND c.hypertable_name = 'incident_message' AND c.range_end <= before
        ORDER BY c.range_end
    LOOP
        EXIT WHEN dropped >= most;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', chunk.name) INTO filled;
        CONTINUE WHEN filled;
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', chunk.name);
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', chunk.name) INTO filled;
            IF NOT filled THEN
                PERFORM drop_chunks('incident_message', older_than => chunk.range_end, newer_than => chunk.range_start);
                dropped := dropped + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            EXIT;
        END;
    END LOOP;
    RETURN dropped;
END
$$;
