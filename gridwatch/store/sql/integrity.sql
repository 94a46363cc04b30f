-- Whether evidence files are what they were.

-- name: due_files
-- The longest unchecked first, so a run that stopped goes on where it was. Damaged ones are looked at again each time:
-- genuine bytes may have come.
SELECT sha256, stored_at, damage FROM evidence_file
WHERE doomed_at IS NULL AND (checked_at IS NULL OR checked_at <= %(checked_before)s)
ORDER BY checked_at NULLS FIRST, sha256
LIMIT %(limit)s

-- name: file_checked
UPDATE evidence_file SET checked_at = %(now)s, damage = %(damage)s,
    stored_at = CASE WHEN %(there)s THEN coalesce(stored_at, %(now)s) ELSE stored_at END
WHERE sha256 = %(sha256)s

-- name: named_by
SELECT incident_id FROM evidence WHERE sha256 = %(sha256)s ORDER BY incident_id LIMIT 5

-- name: damaged
SELECT count(*) AS files FROM evidence_file WHERE damage IS NOT NULL

-- name: was_stored
SELECT stored_at IS NOT NULL AS stored FROM evidence_file WHERE sha256 = %(sha256)s

-- name: file_damaged
-- Found by somebody who looked.
UPDATE evidence_file SET damage = %(damage)s WHERE sha256 = %(sha256)s AND damage IS DISTINCT FROM %(damage)s

-- name: file_stored
-- Says what was wrong with it until now.
UPDATE evidence_file f SET stored_at = %(now)s, damage = NULL
FROM (SELECT sha256, damage FROM evidence_file WHERE sha256 = %(sha256)s FOR UPDATE) AS before
WHERE f.sha256 = before.sha256
RETURNING before.damage
