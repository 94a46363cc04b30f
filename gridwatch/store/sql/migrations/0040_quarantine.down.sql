-- loses how quarantined messages are read again: SELECT EXISTS (SELECT FROM quarantine)
DROP INDEX quarantine_fingerprint;
ALTER TABLE quarantine DROP COLUMN content_type, DROP COLUMN last_at, DROP COLUMN seen, DROP COLUMN fingerprint;
