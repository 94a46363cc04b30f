-- A year and more of incidents, made on the server. Everything follows from the number of an incident, so that each part
-- can be made by itself and is always the same.

-- name: tables
-- Few places see most of it: camera, site and kind are skewed. 20 substations, 100 checkpoints, 300 cameras, 225 grids.
CREATE TABLE bench_camera AS
SELECT n AS number, 'camera-' || n AS camera, 's' || (n % 20) AS substation, 'c' || (n % 100) AS checkpoint,
    'g' || (n % 225) AS grid, 120 + (n % 15) * 0.01 AS lon, 30 + (n % 225) / 15 * 0.01 AS lat
FROM generate_series(0, 299) AS n;
CREATE UNIQUE INDEX ON bench_camera (number);
INSERT INTO unit VALUES ('u', 'Unit', true);
INSERT INTO grid
SELECT 'g' || n, 'Grid', 'u', '[]', format(
    '{"type": "Polygon", "coordinates": [[[%1$s, %2$s], [%3$s, %2$s], [%3$s, %4$s], [%1$s, %4$s], [%1$s, %2$s]]]}',
    west, south, west + 0.01, south + 0.01)::jsonb, west, south, west + 0.01, south + 0.01, true
FROM generate_series(0, 224) AS n CROSS JOIN LATERAL (SELECT 120 + (n % 15) * 0.01 AS west, 30 + n / 15 * 0.01 AS south) AS p

-- name: incidents
-- Incidents number `first` to `last` of `total`, over `days`, in the order of their times.
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT n, c.*, at,
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
        || substr(md5(n::text), 4, 15))::uuid AS id,
    (ARRAY['intrusion', 'line_crossing', 'loitering', 'crowding', 'stopped_vehicle', 'wrong_way', 'abandoned_object',
        'fire_smoke', 'camera_tamper', 'camera_offline'])[1 + least(9, floor(10 * power(spread.b, 2)))::integer] AS kind,
    (ARRAY['info', 'minor', 'major', 'critical'])[1 + mod(n, 4)] AS severity
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
CROSS JOIN LATERAL (
    SELECT ('x' || substr(md5('a' || n), 1, 7))::bit(28)::integer / 268435456.0::float8 AS a,
        ('x' || substr(md5('b' || n), 1, 7))::bit(28)::integer / 268435456.0::float8 AS b
) AS spread
CROSS JOIN LATERAL (
    SELECT timestamptz '2025-01-01T00:00:00Z' + %(days)s * interval '1 day' * (n::double precision / %(total)s) AS at
) AS moment
JOIN bench_camera c ON c.number = least(299, floor(300 * power(spread.a, 1.5)))::integer

-- name: messages
-- Raised, updated and cleared.
INSERT INTO incident_message (incident_id, seq, occurred_at, observed_at, recorded_at, cursor, kind, severity, phase,
    district, substation, checkpoint, camera, rule, lon, lat, score, count, grid, detail)
SELECT id, seq, at, at + seq * interval '30 seconds', at + seq * interval '30 seconds', n * 3 + seq + 1, kind, severity,
    (ARRAY['raised', 'updated', 'cleared'])[1 + seq], 'd', substation, checkpoint, camera, 'yard', lon, lat, 0.84375,
    1 + seq, grid, '{"boxes": [[0.125, 0.25, 0.375, 0.5, "person", 0.84375]], "evidence": [], "detector": null}'
FROM made CROSS JOIN generate_series(0, 2) AS seq
ORDER BY n, seq

-- name: states
INSERT INTO incident (incident_id, seq, occurred_at, observed_at, kind, severity, phase, district, substation, checkpoint,
    camera, rule, lon, lat, score, count, grid, detail)
SELECT id, 2, at, at + interval '1 minute', kind, severity, 'cleared', 'd', substation, checkpoint, camera, 'yard', lon,
    lat, 0.84375, 3, grid, '{"boxes": [[0.125, 0.25, 0.375, 0.5, "person", 0.84375]], "evidence": [], "detector": null}'
FROM made ORDER BY n

-- name: cases
-- One incident in fifty opens one; all but those of the last days have gone their way.
INSERT INTO cases (id, number, grid, district, substation, checkpoint, category, kind, severity, source, unit, step,
    clock_step, clock_started_at, clock_due_at, opened_at, latest_at)
SELECT id, grid || '-' || n, grid, 'd', substation, checkpoint, 'order', kind, severity, 'incident', 'u',
    CASE WHEN open THEN 'handle' ELSE 'evaluate' END, CASE WHEN open THEN 'handle' END, CASE WHEN open THEN at END,
    CASE WHEN open THEN at + interval '2 days' END, at, at + interval '1 minute'
FROM made CROSS JOIN LATERAL (SELECT n > %(total)s - %(total)s / %(days)s * 3 AS open) AS new
WHERE mod(n, 50) = 0

-- name: case_incidents
INSERT INTO case_incident (incident_id, case_id, occurred_at) SELECT id, id, at FROM made WHERE mod(n, 50) = 0

-- name: case_steps
INSERT INTO case_step (case_id, ordinal, step, at, by, note)
SELECT id, ordinal, (ARRAY['discover', 'file', 'dispatch', 'handle', 'review', 'close', 'evaluate'])[1 + ordinal],
    at + ordinal * interval '1 hour', 'officer', ''
FROM made CROSS JOIN generate_series(0, 6) AS ordinal
WHERE mod(n, 50) = 0 AND (ordinal < 4 OR n <= %(total)s - %(total)s / %(days)s * 3)

-- name: head
UPDATE stream_head SET cursor = %(total)s * 3

-- name: without_indexes
-- Made after the rows, which takes a third of the time; the same as the migrations make.
DROP INDEX incident_newest, incident_newest_of_substation, incident_newest_of_camera

-- name: indexes
CREATE INDEX incident_newest ON incident (district, occurred_at DESC, incident_id DESC);
CREATE INDEX incident_newest_of_substation ON incident (district, substation, occurred_at DESC, incident_id DESC, kind);
CREATE INDEX incident_newest_of_camera ON incident (camera, occurred_at DESC, incident_id DESC)

-- name: count
-- In one go; a recorder does a minute's at a time.
SELECT count_incidents(1000000000000)

-- name: late_rows
-- Messages that come long after their incidents.
DROP TABLE IF EXISTS bench_late;
CREATE TABLE bench_late AS
SELECT row_number() OVER (ORDER BY occurred_at) AS number, i.*
FROM incident i WHERE mod(('x' || right(incident_id::text, 4))::bit(16)::integer, 64) = 0
LIMIT %(count)s;
CREATE UNIQUE INDEX ON bench_late (number);
UPDATE bench_late SET seq = %(seq)s

-- name: late_rows_of
INSERT INTO incident_message (incident_id, seq, occurred_at, observed_at, recorded_at, cursor, kind, severity, phase,
    district, substation, checkpoint, camera, rule, lon, lat, score, count, grid, detail)
SELECT incident_id, seq, occurred_at, observed_at, observed_at, 0, kind, severity, phase, district, substation,
    checkpoint, camera, rule, lon, lat, score, count, grid, detail
FROM bench_late WHERE number BETWEEN %(first)s AND %(last)s

-- name: session
SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'

-- name: is_timescale
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS timescale

-- name: settle
VACUUM ANALYZE

-- name: mark
CREATE TABLE bench_history AS SELECT %(total)s::bigint AS incidents

-- name: marked
SELECT to_regclass('bench_history') IS NOT NULL AS there

-- name: incidents_in
SELECT incidents FROM bench_history

-- name: size
SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC
