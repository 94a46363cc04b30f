-- Messages that could not be used, set aside for a person.

-- name: add
-- Again the same (from another recorder, or after a redelivery): counted, not kept twice. The UPDATE comes first so
-- that a repeat takes no id, as the ids bound the table: the newest ten thousand stay, or a flood would fill the disk.
WITH again AS (
    UPDATE quarantine SET seen = seen + 1, last_at = %(at)s, reason = %(reason)s
    WHERE fingerprint = %(fingerprint)s RETURNING id
), added AS (
    INSERT INTO quarantine (at, last_at, topic, content_type, payload, bytes, reason, fingerprint)
    SELECT %(at)s, %(at)s, %(topic)s, %(content_type)s, %(payload)s, %(bytes)s, %(reason)s, %(fingerprint)s
    WHERE NOT EXISTS (SELECT FROM again)
    ON CONFLICT (fingerprint) DO UPDATE SET seen = quarantine.seen + 1, last_at = excluded.last_at
    RETURNING id
)
DELETE FROM quarantine WHERE id <= (SELECT id FROM added) - 10000

-- name: newest
SELECT id, at, last_at, seen, topic, content_type, payload, bytes, reason FROM quarantine
ORDER BY id DESC LIMIT %(limit)s

-- name: message
SELECT id, at, last_at, seen, topic, content_type, payload, bytes, reason FROM quarantine WHERE id = %(id)s

-- name: explain
UPDATE quarantine SET reason = %(reason)s WHERE id = %(id)s

-- name: remove
DELETE FROM quarantine WHERE id = %(id)s
