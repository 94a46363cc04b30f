-- Counts for the demo's table and for checks against what somebody else saw.

-- name: incident_counts
SELECT i.camera, i.kind, count(*) AS incidents, count(c.case_id) AS in_cases
FROM incident i LEFT JOIN case_incident c ON c.incident_id = i.incident_id
GROUP BY i.camera, i.kind ORDER BY i.camera, i.kind

-- name: case_counts
SELECT c.grid, c.kind, count(DISTINCT c.id) AS cases, count(i.incident_id) AS incidents
FROM cases c LEFT JOIN case_incident i ON i.case_id = c.id
GROUP BY c.grid, c.kind ORDER BY c.grid, c.kind

-- name: quarantine_count
SELECT count(*) AS messages FROM quarantine

-- name: message_ids
SELECT incident_id, seq FROM incident_message WHERE cursor > %(after)s
