-- Cases.

-- name: cases
SELECT c.*,
    ARRAY(SELECT i.incident_id FROM case_incident i WHERE i.case_id = c.id ORDER BY i.occurred_at, i.incident_id)
        AS incidents,
    (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.ordinal) FROM case_step s WHERE s.case_id = c.id) AS history
FROM cases c
WHERE c.district = %(district)s
  AND (%(substation)s::text IS NULL OR c.substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR c.checkpoint = %(checkpoint)s)
  AND (%(grid)s::text IS NULL OR c.grid = %(grid)s)
  AND (cardinality(%(steps)s::text[]) = 0 OR c.step = ANY (%(steps)s::text[]))
  AND (%(late_at)s::timestamptz IS NULL OR c.clock_due_at <= %(late_at)s)
  AND (%(after_at)s::timestamptz IS NULL OR (c.latest_at, c.id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY c.latest_at DESC, c.id DESC
LIMIT %(limit)s

-- name: case
SELECT c.*,
    ARRAY(SELECT i.incident_id FROM case_incident i WHERE i.case_id = c.id ORDER BY i.occurred_at, i.incident_id)
        AS incidents,
    (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.ordinal) FROM case_step s WHERE s.case_id = c.id) AS history
FROM cases c WHERE c.id = %(id)s

-- name: save_step
-- The number of history entries stands for the version, so that a case that went round by rework is not taken for the
-- one that was read.
WITH moved AS (
    UPDATE cases SET step = %(step)s, unit = %(unit)s, clock_step = %(clock_step)s,
        clock_started_at = %(clock_started_at)s, clock_due_at = %(clock_due_at)s
    WHERE id = %(id)s AND step = %(expected)s
      AND (SELECT count(*) FROM case_step WHERE case_id = %(id)s) = %(ordinal)s
    RETURNING id
)
INSERT INTO case_step (case_id, ordinal, step, at, by, note)
SELECT id, %(ordinal)s, %(step)s, %(at)s, %(by)s, %(note)s FROM moved
