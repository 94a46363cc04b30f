-- Retention. A batch is one transaction: what goes, its audit entry and the doom of its files are committed together.

-- name: try_exclusive
SELECT pg_try_advisory_lock(%(key)s) AS mine

-- name: lock_holds
-- Taken by whoever deletes and by whoever places a hold, so that neither decides on what the other is changing.
SELECT pg_advisory_xact_lock(%(key)s)

-- name: expired
-- What the policies before this one fit is theirs. Incidents that a recorder is writing to are passed over: nobody waits.
-- `observed_at` is that of the latest message: what still goes on is not over its time.
SELECT i.incident_id, i.occurred_at, i.kind
FROM incident i
WHERE i.district = %(district)s
  AND (%(substation)s::text IS NULL OR i.substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR i.checkpoint = %(checkpoint)s)
  AND (cardinality(%(kinds)s::text[]) = 0 OR i.kind = ANY (%(kinds)s::text[]))
  AND i.occurred_at <= %(before)s AND i.observed_at <= %(before)s
  AND (%(after_at)s::timestamptz IS NULL OR (i.occurred_at, i.incident_id) > (%(after_at)s, %(after_id)s::uuid))
  AND NOT EXISTS (
      SELECT FROM jsonb_to_recordset(%(earlier)s::jsonb)
          AS p (district text, substation text, checkpoint text, kinds text[])
      WHERE p.district = i.district
        AND (p.substation IS NULL OR p.substation = i.substation)
        AND (p.checkpoint IS NULL OR p.checkpoint = i.checkpoint)
        AND (cardinality(p.kinds) = 0 OR i.kind = ANY (p.kinds))
  )
  AND NOT incident_is_held(i.incident_id, %(now)s)
ORDER BY i.occurred_at, i.incident_id
LIMIT %(limit)s
FOR UPDATE OF i SKIP LOCKED

-- name: delete_messages
-- The two bounds say nothing new: they let TimescaleDB pass over every chunk but those concerned.
DELETE FROM incident_message m
USING unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS gone (incident_id, occurred_at)
WHERE m.incident_id = gone.incident_id AND m.occurred_at = gone.occurred_at
  AND m.occurred_at >= %(first)s AND m.occurred_at <= %(last)s

-- name: delete_evidence
-- A file goes with the last incident that names it.
WITH gone AS (
    DELETE FROM evidence WHERE incident_id = ANY (%(ids)s::uuid[]) RETURNING sha256
), doomed AS (
    UPDATE evidence_file f SET doomed_at = %(now)s
    WHERE f.sha256 IN (SELECT sha256 FROM gone)
      AND NOT EXISTS (SELECT FROM evidence e WHERE e.sha256 = f.sha256 AND e.incident_id <> ALL (%(ids)s::uuid[]))
    RETURNING f.sha256
)
SELECT (SELECT count(*) FROM gone) AS evidence, (SELECT count(*) FROM doomed) AS files

-- name: delete_incidents
DELETE FROM incident WHERE incident_id = ANY (%(ids)s::uuid[])

-- name: preview
-- What a run would delete by one policy now, and what only a hold keeps.
WITH due AS (
    SELECT i.occurred_at, incident_is_held(i.incident_id, %(now)s) AS held,
        EXISTS (
            SELECT FROM case_incident c JOIN cases k ON k.id = c.case_id
            WHERE c.incident_id = i.incident_id AND k.step NOT IN ('close', 'evaluate')
        ) AS open
    FROM incident i
    WHERE i.district = %(district)s
      AND (%(substation)s::text IS NULL OR i.substation = %(substation)s)
      AND (%(checkpoint)s::text IS NULL OR i.checkpoint = %(checkpoint)s)
      AND (cardinality(%(kinds)s::text[]) = 0 OR i.kind = ANY (%(kinds)s::text[]))
      AND i.occurred_at <= %(before)s AND i.observed_at <= %(before)s
      AND NOT EXISTS (
          SELECT FROM jsonb_to_recordset(%(earlier)s::jsonb)
              AS p (district text, substation text, checkpoint text, kinds text[])
          WHERE p.district = i.district
            AND (p.substation IS NULL OR p.substation = i.substation)
            AND (p.checkpoint IS NULL OR p.checkpoint = i.checkpoint)
            AND (cardinality(p.kinds) = 0 OR i.kind = ANY (p.kinds))
      )
)
SELECT count(*) FILTER (WHERE NOT held) AS incidents, count(*) FILTER (WHERE held) AS held,
    count(*) FILTER (WHERE open AND NOT held) AS in_open_cases, min(occurred_at) FILTER (WHERE NOT held) AS oldest
FROM due

-- name: doomed_files
-- Bytes that came again a moment ago may have their incident on the way; they wait for another run.
SELECT f.sha256, EXISTS (SELECT FROM evidence e WHERE e.sha256 = f.sha256) AS named
FROM evidence_file f
WHERE f.doomed_at IS NOT NULL AND f.arrived_at <= %(arrived_before)s
ORDER BY f.doomed_at, f.sha256
LIMIT %(limit)s
FOR UPDATE OF f SKIP LOCKED

-- name: spare_files
UPDATE evidence_file SET doomed_at = NULL WHERE sha256 = ANY (%(files)s::text[])

-- name: forget_files
DELETE FROM evidence_file WHERE sha256 = ANY (%(files)s::text[])

-- name: doom_unnamed
-- Bytes whose incident never came. Looks through those that arrived since it last stopped, and says where it stops now.
WITH seen AS (
    SELECT f.sha256, f.arrived_at FROM evidence_file f
    WHERE f.arrived_at > coalesce((SELECT reached_at FROM chore WHERE name = %(name)s), '-infinity')
      AND f.arrived_at <= %(upto)s
    ORDER BY f.arrived_at FETCH FIRST %(limit)s ROWS WITH TIES
), doomed AS (
    UPDATE evidence_file f SET doomed_at = %(now)s FROM seen s
    WHERE f.sha256 = s.sha256 AND f.doomed_at IS NULL
      AND NOT EXISTS (SELECT FROM evidence e WHERE e.sha256 = f.sha256)
    RETURNING f.sha256
)
SELECT (SELECT max(arrived_at) FROM seen) AS reached, (SELECT count(*) FROM doomed) AS files

-- name: forget_chunks
SELECT forget_chunks(%(before)s, %(most)s) AS chunks

-- name: chore
SELECT finished_at FROM chore WHERE name = %(name)s

-- name: finish_chore
INSERT INTO chore (name, finished_at) VALUES (%(name)s, %(finished_at)s)
ON CONFLICT (name) DO UPDATE SET finished_at = excluded.finished_at

-- name: reach_chore
INSERT INTO chore (name, reached_at) VALUES (%(name)s, %(reached_at)s)
ON CONFLICT (name) DO UPDATE SET reached_at = excluded.reached_at

-- name: file_arrives
INSERT INTO evidence_file (sha256, arrived_at) VALUES (%(sha256)s, %(now)s)
ON CONFLICT (sha256) DO UPDATE SET arrived_at = excluded.arrived_at, doomed_at = NULL

-- name: adopt_files
-- Found where evidence is kept, and not known: as after a restore.
INSERT INTO evidence_file (sha256, arrived_at, stored_at)
SELECT sha256, %(now)s, %(now)s FROM unnest(%(files)s::text[]) AS found (sha256)
ON CONFLICT DO NOTHING

-- name: place_hold
-- Nothing comes back where there is no such incident or case.
INSERT INTO hold (id, incident_id, case_id, district, substation, checkpoint, reason, person, placed_by, placed_at, until)
SELECT %(id)s, %(incident)s, %(case)s, %(district)s, %(substation)s, %(checkpoint)s, %(reason)s, %(person)s, %(placed_by)s,
    %(placed_at)s, %(until)s
WHERE EXISTS (SELECT FROM incident WHERE incident_id = %(incident)s)
   OR EXISTS (SELECT FROM cases WHERE id = %(case)s)
RETURNING id

-- name: hold
SELECT * FROM hold WHERE id = %(id)s

-- name: release_hold
UPDATE hold SET released_at = %(at)s, released_by = %(by)s, release_reason = %(reason)s
WHERE id = %(id)s AND released_at IS NULL AND until > %(at)s
RETURNING *

-- name: holds
SELECT * FROM hold
WHERE district = %(district)s
  AND (%(substation)s::text IS NULL OR substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
  AND (%(now)s::timestamptz IS NULL OR (released_at IS NULL AND until > %(now)s))
ORDER BY placed_at DESC, id DESC
LIMIT %(limit)s
