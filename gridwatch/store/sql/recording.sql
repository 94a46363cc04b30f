-- One batch of messages, in one transaction (docs/design/store.md). Locks are taken in this order by everybody:
-- incidents by id, grids by hash, the head of the stream.

-- name: make_incoming
-- A batch on its way; of this connection only, empty again after each transaction. `cursor` is the place in the batch.
CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE incident_message) ON COMMIT DELETE ROWS

-- name: fill_incoming
-- The columns are those of `rows.copy_line`, in its order.
COPY incoming (cursor, recorded_at, incident_id, seq, occurred_at, observed_at, kind, severity, phase, district, substation,
    checkpoint, camera, rule, lon, lat, score, count, grid, detail)
FROM STDIN

-- name: keep_states
-- Locks every incident of the batch until the commit, also where nothing changes: whoever holds an incident may decide
-- which of its messages are new. The state with the highest seq stays; nothing overwrites `cleared`.
INSERT INTO incident (incident_id, seq, occurred_at, observed_at, kind, severity, phase, district, substation, checkpoint,
    camera, rule, lon, lat, score, count, grid, detail)
SELECT DISTINCT ON (incident_id) incident_id, seq, occurred_at, observed_at, kind, severity, phase, district, substation,
    checkpoint, camera, rule, lon, lat, score, count, grid, detail
FROM incoming
ORDER BY incident_id, (phase = 'cleared') DESC, seq DESC
ON CONFLICT (incident_id) DO UPDATE SET
    seq = excluded.seq, observed_at = excluded.observed_at, severity = excluded.severity, phase = excluded.phase,
    lon = excluded.lon, lat = excluded.lat, score = excluded.score, count = excluded.count, detail = excluded.detail
WHERE incident.occurred_at = excluded.occurred_at
  AND (excluded.phase = 'cleared', excluded.seq) > (incident.phase = 'cleared', incident.seq)

-- name: drop_known
-- Takes out of the batch what is there already, and what disagrees with its incident on when it occurred: that would
-- slip past the unique key, which must hold the time.
DELETE FROM incoming b
USING incident i
WHERE i.incident_id = b.incident_id AND (
    i.occurred_at <> b.occurred_at OR EXISTS (
        SELECT FROM incident_message m
        WHERE m.incident_id = b.incident_id AND m.seq = b.seq AND m.occurred_at = b.occurred_at
    )
)
RETURNING b.cursor AS place, NOT EXISTS (
    SELECT FROM incident_message m
    WHERE m.incident_id = b.incident_id AND m.seq = b.seq AND m.occurred_at = i.occurred_at
) AS contradicts

-- name: append_messages
-- The lock on the head is held until the commit, so a later cursor can only be taken, and seen, after this one is
-- committed.
WITH head AS (
    UPDATE stream_head SET cursor = cursor + %(count)s RETURNING cursor - %(count)s AS base, cursor AS newest
), appended AS (
    INSERT INTO incident_message (incident_id, seq, occurred_at, observed_at, recorded_at, cursor, kind, severity, phase,
        district, substation, checkpoint, camera, rule, lon, lat, score, count, grid, detail)
    SELECT b.incident_id, b.seq, b.occurred_at, b.observed_at, b.recorded_at,
        head.base + row_number() OVER (ORDER BY b.cursor), b.kind, b.severity, b.phase, b.district, b.substation,
        b.checkpoint, b.camera, b.rule, b.lon, b.lat, b.score, b.count, b.grid, b.detail
    FROM head, incoming b
)
SELECT pg_notify('gridwatch_events', newest::text) FROM head

-- name: add_evidence
INSERT INTO evidence
SELECT * FROM jsonb_populate_recordset(NULL::evidence, %(evidence)s::jsonb) ORDER BY incident_id, sha256
ON CONFLICT DO NOTHING

-- name: lock_grids
-- Sorted by what is locked, so that two recorders never wait for each other in a ring.
SELECT pg_advisory_xact_lock(%(space)s, key)
FROM (SELECT DISTINCT hashtext(code) AS key FROM unnest(%(codes)s::text[]) AS code ORDER BY key) AS sorted

-- name: open_case
-- FOR UPDATE: nobody may close it between this and the join.
SELECT id FROM cases
WHERE grid = %(grid)s AND kind = %(kind)s AND step NOT IN ('close', 'evaluate')
  AND latest_at >= %(at)s - %(window)s AND opened_at <= %(at)s + %(window)s
ORDER BY latest_at DESC, id DESC LIMIT 1
FOR UPDATE

-- name: next_serial
INSERT INTO case_serial (grid, day, last) VALUES (%(grid)s, %(day)s, 1)
ON CONFLICT (grid, day) DO UPDATE SET last = case_serial.last + 1
RETURNING last

-- name: add_case
INSERT INTO cases (id, number, grid, district, substation, checkpoint, category, kind, severity, source, unit, step,
    clock_step, clock_started_at, clock_due_at, opened_at, latest_at)
VALUES (%(id)s, %(number)s, %(grid)s, %(district)s, %(substation)s, %(checkpoint)s, %(category)s, %(kind)s, %(severity)s,
    %(source)s, %(unit)s, %(step)s, %(clock_step)s, %(clock_started_at)s, %(clock_due_at)s, %(opened_at)s, %(latest_at)s)

-- name: add_case_step
INSERT INTO case_step (case_id, ordinal, step, at, by, note)
VALUES (%(case_id)s, %(ordinal)s, %(step)s, %(at)s, %(by)s, %(note)s)

-- name: add_case_incident
INSERT INTO case_incident (incident_id, case_id, occurred_at) VALUES (%(incident_id)s, %(case_id)s, %(occurred_at)s)

-- name: widen_case
UPDATE cases SET
    opened_at = least(opened_at, %(occurred_at)s),
    latest_at = greatest(latest_at, %(occurred_at)s),
    severity = CASE WHEN array_position(%(severities)s::text[], %(severity)s) > array_position(%(severities)s::text[], severity)
        THEN %(severity)s ELSE severity END
WHERE id = %(case_id)s

-- name: keep_health
INSERT INTO camera_health (camera, district, substation, checkpoint, state, reason, since, observed_at, frames, analysed,
    dropped, detected, detections, incidents, fps)
VALUES (%(camera)s, %(district)s, %(substation)s, %(checkpoint)s, %(state)s, %(reason)s, %(since)s, %(observed_at)s,
    %(frames)s, %(analysed)s, %(dropped)s, %(detected)s, %(detections)s, %(incidents)s, %(fps)s)
ON CONFLICT (camera) DO UPDATE SET
    district = excluded.district, substation = excluded.substation, checkpoint = excluded.checkpoint,
    state = excluded.state, reason = excluded.reason, since = excluded.since, observed_at = excluded.observed_at,
    frames = excluded.frames, analysed = excluded.analysed, dropped = excluded.dropped, detected = excluded.detected,
    detections = excluded.detections, incidents = excluded.incidents, fps = excluded.fps
WHERE camera_health.observed_at <= excluded.observed_at
