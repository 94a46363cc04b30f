-- Incidents, their messages and the live stream's log.

-- name: incidents
SELECT i.*, c.case_id
FROM incident i LEFT JOIN case_incident c ON c.incident_id = i.incident_id
WHERE i.district = %(district)s
  AND (%(substation)s::text IS NULL OR i.substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR i.checkpoint = %(checkpoint)s)
  AND (%(camera)s::text IS NULL OR i.camera = %(camera)s)
  AND (cardinality(%(kinds)s::text[]) = 0 OR i.kind = ANY (%(kinds)s::text[]))
  AND (cardinality(%(severities)s::text[]) = 0 OR i.severity = ANY (%(severities)s::text[]))
  AND (%(since)s::timestamptz IS NULL OR i.occurred_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR i.occurred_at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL OR (i.occurred_at, i.incident_id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY i.occurred_at DESC, i.incident_id DESC
LIMIT %(limit)s

-- name: evidence_of_incidents
SELECT * FROM evidence WHERE incident_id = ANY (%(ids)s::uuid[]) ORDER BY incident_id, captured_at, sha256

-- name: evidence
SELECT * FROM evidence WHERE incident_id = %(incident)s AND sha256 = %(sha256)s

-- name: occurred
SELECT occurred_at FROM incident WHERE incident_id = %(incident)s

-- name: history
-- Its time is given although the incident tells it: TimescaleDB then plans for the one chunk that holds it, not for all.
SELECT m.*, c.case_id, i.acknowledged_at, i.acknowledged_by
FROM incident i
JOIN incident_message m ON m.incident_id = i.incident_id AND m.occurred_at = %(occurred_at)s
LEFT JOIN case_incident c ON c.incident_id = i.incident_id
WHERE i.incident_id = %(incident)s
ORDER BY m.seq

-- name: head
SELECT cursor FROM stream_head

-- name: events
SELECT m.*, c.case_id
FROM incident_message m LEFT JOIN case_incident c ON c.incident_id = m.incident_id
WHERE m.cursor > %(after)s AND m.cursor <= %(upto)s
  AND m.district = %(district)s
  AND (%(substation)s::text IS NULL OR m.substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR m.checkpoint = %(checkpoint)s)
  AND (%(camera)s::text IS NULL OR m.camera = %(camera)s)
  AND (cardinality(%(kinds)s::text[]) = 0 OR m.kind = ANY (%(kinds)s::text[]))
  AND (cardinality(%(severities)s::text[]) = 0 OR m.severity = ANY (%(severities)s::text[]))
  AND (%(since)s::timestamptz IS NULL OR m.occurred_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR m.occurred_at < %(until)s)
ORDER BY m.cursor
LIMIT %(limit)s
