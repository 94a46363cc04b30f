DO $$
DECLARE
    one text;
BEGIN
    -- As in 0003_statistics; the last is there on TimescaleDB only.
    FOREACH one IN ARRAY ARRAY['district_days', 'substation_hours', 'grid_totals', 'grid_hours'] LOOP
        IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
            EXECUTE format('DROP MATERIALIZED VIEW %I', one);
        ELSE
            EXECUTE format('DROP VIEW IF EXISTS %I', one);
        END IF;
    END LOOP;
END
$$;
