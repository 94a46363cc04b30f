-- What cameras saw by the minute, and what they were in.

-- name: keep_observations
-- DISTINCT ON: a batch may bring both parts of a minute in which a worker was started again.
INSERT INTO observation
SELECT DISTINCT ON (camera, minute) *
FROM jsonb_populate_recordset(NULL::observation, %(rows)s::jsonb)
ORDER BY camera, minute, frames DESC
ON CONFLICT (camera, minute) DO UPDATE SET
    district = excluded.district, substation = excluded.substation, checkpoint = excluded.checkpoint,
    frames = excluded.frames, analysed = excluded.analysed, detected = excluded.detected, dropped = excluded.dropped,
    moving = excluded.moving, fps = excluded.fps, classes = excluded.classes
WHERE excluded.frames > observation.frames

-- name: observations
SELECT * FROM observation WHERE camera = %(camera)s AND minute >= %(since)s AND minute < %(until)s ORDER BY minute

-- name: health_changes
SELECT camera, at, state, reason FROM camera_health_change
WHERE camera = %(camera)s AND at >= %(since)s AND at < %(until)s ORDER BY at

-- name: forget
SELECT forget_series(%(now)s) AS rows
