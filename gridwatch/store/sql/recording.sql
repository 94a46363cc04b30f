-- One batch of messages, in one transaction (docs/design/store.md). Locks are taken in this order by everybody:
-- incidents by id, grids by hash, the head of the stream.

-- name: keep_states
-- Locks every incident of the batch until the commit, also where nothing changes: whoever holds an incident may decide
-- which of its messages are new. The state with the highest seq stays; nothing overwrites `cleared`.
INSERT INTO incident
SELECT DISTINCT ON (incident_id) *
FROM jsonb_populate_recordset(NULL::incident, %(batch)s::jsonb)
ORDER BY incident_id, (phase = 'cleared') DESC, seq DESC
ON CONFLICT (incident_id) DO UPDATE SET
    seq = excluded.seq, observed_at = excluded.observed_at, severity = excluded.severity, phase = excluded.phase,
    lon = excluded.lon, lat = excluded.lat, score = excluded.score, count = excluded.count, detail = excluded.detail
WHERE incident.occurred_at = excluded.occurred_at
  AND (excluded.phase = 'cleared', excluded.seq) > (incident.phase = 'cleared', incident.seq)

-- name: missing_messages
-- Which of the batch are not there yet, and whether they agree with their incident on when it occurred.
SELECT b.incident_id, b.seq, b.occurred_at = i.occurred_at AS agrees
FROM unnest(%(ids)s::uuid[], %(seqs)s::int[], %(times)s::timestamptz[]) AS b (incident_id, seq, occurred_at)
JOIN incident i ON i.incident_id = b.incident_id
WHERE NOT EXISTS (
    SELECT FROM incident_message m
    WHERE m.incident_id = b.incident_id AND m.seq = b.seq AND m.occurred_at = i.occurred_at
)

-- name: append_messages
-- `cursor` arrives as the place in the batch, 1 to %(count)s. The lock on the head is held until the commit, so a later
-- cursor can only be taken, and seen, after this one is committed.
WITH head AS (
    UPDATE stream_head SET cursor = cursor + %(count)s RETURNING cursor - %(count)s AS base, cursor AS newest
), appended AS (
    INSERT INTO incident_message (incident_id, seq, occurred_at, observed_at, recorded_at, cursor, kind, severity, phase,
        district, substation, checkpoint, camera, rule, lon, lat, score, count, grid, detail)
    SELECT m.incident_id, m.seq, m.occurred_at, m.observed_at, %(now)s, head.base + m.cursor, m.kind, m.severity,
        m.phase, m.district, m.substation, m.checkpoint, m.camera, m.rule, m.lon, m.lat, m.score, m.count, m.grid,
        m.detail
    FROM head, jsonb_populate_recordset(NULL::incident_message, %(batch)s::jsonb) AS m
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

-- name: set_aside
-- Keeps the newest ten thousand: a flood of bad messages may not fill the disk.
WITH added AS (
    INSERT INTO quarantine (at, topic, payload, bytes, reason)
    VALUES (%(at)s, %(topic)s, %(payload)s, %(bytes)s, %(reason)s) RETURNING id
)
DELETE FROM quarantine WHERE id <= (SELECT id FROM added) - 10000

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
