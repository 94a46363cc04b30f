-- One batch of messages, in one transaction (docs/design/store.md). Locks are taken in this order by everybody:
-- incidents by id, grids by hash, the head of the stream.

-- name: keep_states
-- One state an incident, in order of id. Locks every incident until the commit, also where nothing changes: whoever
-- holds an incident may decide which of its messages are new. What an incident does when all is well is done here: it is
-- new, or goes on, from the same camera and site; all else is left to `known` and `correct_states`. What comes back of
-- those: ids as hex digits, and the seq before, -1 for a new one: messages of a higher seq are new. The seq is that of
-- the row which this statement's snapshot shows, if that is the row it replaced; else the highest there is, as another
-- recorder was faster.
-- Arrays, as a temporary table is a file that each commit truncates.
-- The details come as one text, as the quotes in them would all have to be escaped in an array.
WITH kept AS (
    INSERT INTO incident (incident_id, seq, occurred_at, observed_at, kind, severity, phase, lon, lat, score, count,
        district, substation, checkpoint, camera, rule, grid, detail)
    SELECT * FROM unnest(%(incident_id)s::uuid[], %(seq)s::integer[], %(occurred_at)s::timestamptz[],
        %(observed_at)s::timestamptz[], %(kind)s::text[], %(severity)s::text[], %(phase)s::text[], %(lon)s::float8[],
        %(lat)s::float8[], %(score)s::float8[], %(count)s::integer[], %(district)s::text[], %(substation)s::text[],
        %(checkpoint)s::text[], %(camera)s::text[], %(rule)s::text[], %(grid)s::text[],
        string_to_array(%(detail)s, E'\x1e')::jsonb[])
    ON CONFLICT (incident_id) DO UPDATE SET
        seq = excluded.seq, observed_at = excluded.observed_at, severity = excluded.severity, phase = excluded.phase,
        lon = excluded.lon, lat = excluded.lat, score = excluded.score, count = excluded.count, detail = excluded.detail
    WHERE incident.phase <> 'cleared' AND incident.seq < excluded.seq AND incident.occurred_at = excluded.occurred_at
      AND incident.camera = excluded.camera AND incident.district = excluded.district
      AND (incident.substation, incident.checkpoint) IS NOT DISTINCT FROM (excluded.substation, excluded.checkpoint)
    RETURNING incident_id, CASE WHEN xmax = 0 THEN -1 ELSE coalesce(
        (SELECT s.seq FROM incident s WHERE s.incident_id = incident.incident_id AND s.xmax = incident.xmin), 2147483647
    ) END AS before
)
SELECT replace(string_agg(incident_id::text, ' '), '-', '') AS kept, string_agg(before::text, ' ') AS before FROM kept

-- name: known
-- Which of these messages are there already, or disagree with their incident: on when it occurred, as those would slip
-- past the unique key, which must hold the time; on its camera; or on its site, as who may publish at one site shall not
-- speak for another. The site may be the incident's, one above, or where its camera hangs now by the directory.
-- LIMIT 1 makes each a look-up by key, whatever the statistics say; `since` and `until` spare the other chunks.
SELECT b.place, m.seq IS NULL AS contradicts
FROM unnest(%(place)s::integer[], %(incident_id)s::uuid[], %(seq)s::integer[], %(occurred_at)s::timestamptz[],
    %(district)s::text[], %(substation)s::text[], %(checkpoint)s::text[], %(camera)s::text[])
    AS b (place, incident_id, seq, occurred_at, district, substation, checkpoint, camera)
CROSS JOIN LATERAL (
    SELECT s.occurred_at, s.district, s.substation, s.checkpoint, s.camera FROM incident s
    WHERE s.incident_id = b.incident_id LIMIT 1
) AS i
LEFT JOIN LATERAL (
    SELECT a.seq FROM incident_message a
    WHERE a.incident_id = b.incident_id AND a.seq = b.seq AND a.occurred_at = b.occurred_at
      AND a.occurred_at BETWEEN %(since)s::timestamptz AND %(until)s::timestamptz LIMIT 1
) AS m ON true
WHERE m.seq IS NOT NULL OR i.occurred_at <> b.occurred_at OR i.camera <> b.camera OR NOT (
    (b.district = i.district AND coalesce(b.substation = i.substation, b.substation IS NULL)
        AND coalesce(b.checkpoint = i.checkpoint, b.checkpoint IS NULL))
    OR EXISTS (
        SELECT FROM camera c WHERE c.id = b.camera AND c.district = b.district
            AND (c.substation, c.checkpoint) IS NOT DISTINCT FROM (b.substation, b.checkpoint)
    )
)

-- name: correct_states
-- Of messages that are new and no plain continuation: the state with the highest seq stays, and nothing overwrites
-- `cleared`. Their incidents are locked.
UPDATE incident SET
    seq = b.seq, observed_at = b.observed_at, severity = b.severity, phase = b.phase, lon = b.lon, lat = b.lat,
    score = b.score, count = b.count, detail = b.detail
FROM unnest(%(incident_id)s::uuid[], %(seq)s::integer[], %(observed_at)s::timestamptz[], %(severity)s::text[],
    %(phase)s::text[], %(lon)s::float8[], %(lat)s::float8[], %(score)s::float8[], %(count)s::integer[],
    string_to_array(%(detail)s, E'\x1e')::jsonb[])
    AS b (incident_id, seq, observed_at, severity, phase, lon, lat, score, count, detail)
WHERE incident.incident_id = b.incident_id
  AND (b.phase = 'cleared', b.seq) > (incident.phase = 'cleared', incident.seq)

-- name: advance_head
-- The lock on the head is held until the commit, so a later cursor can only be taken, and seen, after this one is
-- committed.
UPDATE stream_head SET cursor = cursor + %(count)s
RETURNING cursor - %(count)s AS base, pg_notify('gridwatch_events', cursor::text)

-- name: append_messages
-- The columns are those of `message_rows.copy_line`, in its order.
COPY incident_message (cursor, recorded_at, district, substation, checkpoint, camera, rule, grid, detail, incident_id, seq,
    occurred_at, observed_at, kind, severity, phase, lon, lat, score, count)
FROM STDIN

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
WITH before AS (
    SELECT state, reason FROM camera_health WHERE camera = %(camera)s
), kept AS (
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
    RETURNING camera
)
INSERT INTO camera_health_change (camera, at, district, substation, checkpoint, state, reason)
SELECT camera, %(observed_at)s, %(district)s, %(substation)s, %(checkpoint)s, %(state)s, %(reason)s
FROM kept
WHERE NOT EXISTS (SELECT FROM before WHERE state = %(state)s AND reason = %(reason)s)
ON CONFLICT DO NOTHING
