-- What each camera saw by the minute, and how it changed. Hypertables on TimescaleDB. Kept for 90 days: nothing that was
-- reported, decided or audited depends on them, so they need neither holds nor audit entries to be deleted.

CREATE TABLE observation (
    camera      text NOT NULL,
    minute      timestamptz NOT NULL,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    frames      integer NOT NULL,
    analysed    integer NOT NULL,
    detected    integer NOT NULL,
    dropped     integer NOT NULL,
    moving      double precision NOT NULL,
    fps         double precision NOT NULL,
    classes     jsonb NOT NULL,
    PRIMARY KEY (camera, minute)
);
-- They come in the order of time: what is old lies together, and so small an index finds it.
CREATE INDEX observation_minute ON observation USING brin (minute);

-- A row where a camera entered a state or stayed in it for another reason; `camera_health` has the latest report.
CREATE TABLE camera_health_change (
    camera      text NOT NULL,
    at          timestamptz NOT NULL,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    state       text NOT NULL,
    reason      text NOT NULL,
    PRIMARY KEY (camera, at)
);
CREATE INDEX camera_health_change_at ON camera_health_change USING brin (at);

-- Plain PostgreSQL has no job for this: the program calls it. The number of rows deleted.
CREATE FUNCTION forget_series(now timestamptz) RETURNS bigint LANGUAGE sql AS $$
    WITH minutes AS (DELETE FROM observation WHERE minute < now - INTERVAL '90 days' RETURNING 1),
        changes AS (DELETE FROM camera_health_change WHERE at < now - INTERVAL '90 days' RETURNING 1)
    SELECT (SELECT count(*) FROM minutes) + (SELECT count(*) FROM changes)
$$;
