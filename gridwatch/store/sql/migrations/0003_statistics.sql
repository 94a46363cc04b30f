-- Incidents counted: by hour and day for each site and kind, by day for each grid and kind (by hour there would be about
-- as many counts as incidents). Read the views and sum: a count may come in parts. Buckets begin at full hours and
-- days of UTC. Counts outlive the incidents that retention deletes.
--
-- Here `count_incidents` keeps them, called by the program, and the views add what came since: they are never behind.
-- On TimescaleDB the views are continuous aggregates instead (timescale.sql).

CREATE TABLE site_hour_count (
    bucket      timestamptz NOT NULL,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    kind        text NOT NULL,
    incidents   bigint NOT NULL
);
-- Whole rows, so that the table itself is not read. By substation first: by hour one asks for one of them.
CREATE UNIQUE INDEX site_hour_count_key ON site_hour_count (district, substation, bucket, checkpoint, kind)
    INCLUDE (incidents) NULLS NOT DISTINCT;

CREATE TABLE site_day_count (LIKE site_hour_count);
CREATE UNIQUE INDEX site_day_count_key ON site_day_count (district, bucket, substation, checkpoint, kind)
    INCLUDE (incidents) NULLS NOT DISTINCT;

CREATE TABLE grid_day_count (
    bucket      timestamptz NOT NULL,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    grid        text NOT NULL,
    kind        text NOT NULL,
    incidents   bigint NOT NULL
);
CREATE UNIQUE INDEX grid_day_count_key ON grid_day_count (district, bucket, substation, checkpoint, grid, kind)
    INCLUDE (incidents) NULLS NOT DISTINCT;

-- Up to which cursor incidents are counted. Cursors are in commit order, so none is passed over and none counts twice.
CREATE TABLE counted (
    id          integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    cursor      bigint NOT NULL
);
INSERT INTO counted (cursor) VALUES (0);

-- Not plain SQL: for an unknown cursor the planner would expect a third of all messages, and read them all.
CREATE FUNCTION uncounted_incidents(upto bigint) RETURNS TABLE (
    occurred_at timestamptz, district text, substation text, checkpoint text, grid text, kind text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    base bigint := (SELECT c.cursor FROM counted c);
BEGIN
    RETURN QUERY EXECUTE
        'SELECT occurred_at, district, substation, checkpoint, grid, kind FROM incident_message
         WHERE cursor > $1 AND cursor <= $2 AND seq = 0'
        USING base, upto;
END
$$;

-- Counts up to `most` more messages; how many were looked at, 0 where all are counted or somebody else is at it.
CREATE FUNCTION count_incidents(most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    base bigint;
    upto bigint;
BEGIN
    SELECT c.cursor INTO base FROM counted c FOR UPDATE SKIP LOCKED;
    SELECT least(h.cursor, base + most) INTO upto FROM stream_head h;
    IF base IS NULL OR upto <= base THEN
        RETURN 0;
    END IF;
    INSERT INTO site_hour_count AS c (bucket, district, substation, checkpoint, kind, incidents)
    SELECT date_trunc('hour', u.occurred_at, 'UTC'), u.district, u.substation, u.checkpoint, u.kind, count(*)
    FROM uncounted_incidents(upto) u GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (district, substation, bucket, checkpoint, kind) DO UPDATE SET incidents = c.incidents + excluded.incidents;
    INSERT INTO site_day_count AS c (bucket, district, substation, checkpoint, kind, incidents)
    SELECT date_trunc('day', u.occurred_at, 'UTC'), u.district, u.substation, u.checkpoint, u.kind, count(*)
    FROM uncounted_incidents(upto) u GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (district, bucket, substation, checkpoint, kind) DO UPDATE SET incidents = c.incidents + excluded.incidents;
    INSERT INTO grid_day_count AS c (bucket, district, substation, checkpoint, grid, kind, incidents)
    SELECT date_trunc('day', u.occurred_at, 'UTC'), u.district, u.substation, u.checkpoint, u.grid, u.kind, count(*)
    FROM uncounted_incidents(upto) u WHERE u.grid IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (district, bucket, substation, checkpoint, grid, kind)
        DO UPDATE SET incidents = c.incidents + excluded.incidents;
    UPDATE counted SET cursor = upto;
    RETURN upto - base;
END
$$;

CREATE VIEW site_hours AS
SELECT bucket, district, substation, checkpoint, kind, incidents FROM site_hour_count
UNION ALL
SELECT date_trunc('hour', occurred_at, 'UTC'), district, substation, checkpoint, kind, 1
FROM uncounted_incidents(9223372036854775807);

CREATE VIEW site_days AS
SELECT bucket, district, substation, checkpoint, kind, incidents FROM site_day_count
UNION ALL
SELECT date_trunc('day', occurred_at, 'UTC'), district, substation, checkpoint, kind, 1
FROM uncounted_incidents(9223372036854775807);

CREATE VIEW grid_days AS
SELECT bucket, district, substation, checkpoint, grid, kind, incidents FROM grid_day_count
UNION ALL
SELECT date_trunc('day', occurred_at, 'UTC'), district, substation, checkpoint, grid, kind, 1
FROM uncounted_incidents(9223372036854775807) WHERE grid IS NOT NULL;
