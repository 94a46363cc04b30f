-- Commands over the broker (docs/contracts.md).

-- name: note_message
-- Writes the audit the first time only. What no broker can give again is forgotten.
WITH forgotten AS (
    DELETE FROM command_message WHERE noted_at < %(forget)s
), new AS (
    INSERT INTO command_message (sha256, noted_at) VALUES (%(sha256)s, %(at)s) ON CONFLICT DO NOTHING RETURNING 1
)
INSERT INTO audit (at, account, action, subject, reason)
SELECT %(at)s, %(account)s, %(action)s, %(subject)s, %(reason)s FROM new

-- name: acknowledge
-- The first who says so stays.
UPDATE incident SET
    acknowledged_at = coalesce(acknowledged_at, %(at)s), acknowledged_by = coalesce(acknowledged_by, %(account)s)
WHERE incident_id = %(incident)s AND camera = %(camera)s AND district = %(district)s
  AND substation IS NOT DISTINCT FROM %(substation)s AND checkpoint IS NOT DISTINCT FROM %(checkpoint)s
RETURNING acknowledged_at, acknowledged_by

-- name: answer
SELECT essence, payload FROM command_answer WHERE command = %(command)s

-- name: keep_answer
-- Of two recorders the first one's stays, and both give it.
WITH forgotten AS (
    DELETE FROM command_answer WHERE answered_at < %(forget)s
)
INSERT INTO command_answer (command, essence, payload, answered_at)
VALUES (%(command)s, %(essence)s, %(payload)s, %(at)s)
ON CONFLICT (command) DO UPDATE SET command = excluded.command
RETURNING essence, payload
