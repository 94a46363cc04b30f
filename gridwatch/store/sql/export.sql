-- Exports, read through a cursor on the server. No notes, no names and no boxes: what is exported is about places, and
-- evidence is named by its hashes only.

-- name: incidents
SELECT i.incident_id, i.kind, i.severity, i.phase, i.seq + 1 AS messages, i.occurred_at, i.observed_at, i.district,
    i.substation, i.checkpoint, i.camera, i.rule, i.lon, i.lat, i.score, i.count, i.grid, c.number AS case_number,
    ARRAY(SELECT e.sha256 FROM evidence e WHERE e.incident_id = i.incident_id ORDER BY e.captured_at, e.sha256) AS evidence
FROM incident i
LEFT JOIN case_incident m ON m.incident_id = i.incident_id
LEFT JOIN cases c ON c.id = m.case_id
WHERE i.district = %(district)s
  AND (%(substation)s::text IS NULL OR i.substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR i.checkpoint = %(checkpoint)s)
  AND i.occurred_at >= %(since)s AND i.occurred_at < %(until)s
ORDER BY i.occurred_at, i.incident_id

-- name: cases
SELECT c.id AS case_id, c.number, c.kind, c.severity, c.category, c.source, c.step, c.unit, c.grid, c.district,
    c.substation, c.checkpoint, c.opened_at, c.latest_at, c.clock_due_at AS due_at,
    (SELECT count(*) FROM case_incident m WHERE m.case_id = c.id) AS incidents,
    s.filed_at, s.dispatched_at, s.handled_at, s.reviewed_at, s.closed_at, s.evaluated_at, s.steps,
    coalesce(v.geometry, g.geometry) AS geometry
FROM cases c
JOIN grid g ON g.code = c.grid
LEFT JOIN grid_version v ON v.code = c.grid AND v.valid_from <= c.opened_at
    AND (v.valid_to IS NULL OR v.valid_to > c.opened_at)
CROSS JOIN LATERAL (
    SELECT count(*) AS steps, max(at) FILTER (WHERE step = 'file') AS filed_at,
        max(at) FILTER (WHERE step = 'dispatch') AS dispatched_at, max(at) FILTER (WHERE step = 'handle') AS handled_at,
        max(at) FILTER (WHERE step = 'review') AS reviewed_at, max(at) FILTER (WHERE step = 'close') AS closed_at,
        max(at) FILTER (WHERE step = 'evaluate') AS evaluated_at
    FROM case_step WHERE case_id = c.id
) s
WHERE c.district = %(district)s
  AND (%(substation)s::text IS NULL OR c.substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR c.checkpoint = %(checkpoint)s)
  AND c.opened_at >= %(since)s AND c.opened_at < %(until)s
ORDER BY c.opened_at, c.id
