-- What a quarantined message needs to be read again, and once each, however many recorders set it aside.

ALTER TABLE quarantine
    ADD COLUMN content_type text,
    ADD COLUMN last_at timestamptz,
    ADD COLUMN seen bigint NOT NULL DEFAULT 1,
    ADD COLUMN fingerprint bytea;
-- Those from before stay as they are: what was cut off is not there to be compared.
UPDATE quarantine SET last_at = at, fingerprint = sha256(convert_to('before 0040: ' || id, 'UTF8'));
ALTER TABLE quarantine ALTER COLUMN last_at SET NOT NULL, ALTER COLUMN fingerprint SET NOT NULL;
CREATE UNIQUE INDEX quarantine_fingerprint ON quarantine (fingerprint);
