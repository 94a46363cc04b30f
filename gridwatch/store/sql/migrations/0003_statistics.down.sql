-- What is counted can be counted again from the messages, but for those that retention has deleted.
-- loses counts of deleted incidents: SELECT EXISTS (SELECT FROM stream_head WHERE cursor > (SELECT count(*) FROM incident_message))
DO $$
DECLARE
    one text;
BEGIN
    -- On TimescaleDB these are continuous aggregates, which have a statement of their own.
    FOREACH one IN ARRAY ARRAY['site_days', 'site_hours', 'grid_days'] LOOP
        IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
            EXECUTE format('DROP MATERIALIZED VIEW %I', one);
        ELSE
            EXECUTE format('DROP VIEW %I', one);
        END IF;
    END LOOP;
END
$$;
DROP FUNCTION count_incidents(bigint);
DROP FUNCTION uncounted_incidents(bigint);
DROP TABLE counted, site_hour_count, site_day_count, grid_day_count;
