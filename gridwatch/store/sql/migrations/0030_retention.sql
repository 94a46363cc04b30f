-- Retention and legal holds, and which evidence files there are (docs/design/store.md).

-- A hold ends by its time or by its release; it stays as the record of itself.
CREATE TABLE hold (
    id             uuid PRIMARY KEY,
    incident_id    uuid,
    case_id        uuid REFERENCES cases (id),
    district       text NOT NULL,
    substation     text,
    checkpoint     text,
    reason         text NOT NULL,
    person         text NOT NULL,
    placed_by      text NOT NULL,
    placed_at      timestamptz NOT NULL,
    until          timestamptz NOT NULL,
    released_at    timestamptz,
    released_by    text,
    release_reason text,
    CHECK ((incident_id IS NULL) <> (case_id IS NULL)),
    CHECK (until > placed_at),
    CHECK ((released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (release_reason IS NULL))
);
CREATE INDEX hold_of_incident ON hold (incident_id) WHERE released_at IS NULL;
CREATE INDEX hold_of_case ON hold (case_id) WHERE released_at IS NULL;

-- By its own hold or by one on its case.
CREATE FUNCTION incident_is_held(incident uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM hold h WHERE h.incident_id = incident AND h.released_at IS NULL AND h.until > moment
    ) OR EXISTS (
        SELECT FROM case_incident c JOIN hold h ON h.case_id = c.case_id
        WHERE c.incident_id = incident AND h.released_at IS NULL AND h.until > moment
    )
$$;

-- Every file the recorder was told to keep, from before its bytes are written until after they are deleted: so no file is
-- forgotten, whenever a process ends. Clips are not here; their workers keep them.
CREATE TABLE evidence_file (
    sha256      text PRIMARY KEY,
    arrived_at  timestamptz NOT NULL,
    stored_at   timestamptz,
    doomed_at   timestamptz,
    checked_at  timestamptz,
    damage      text
);
CREATE INDEX evidence_file_arrival ON evidence_file (arrived_at);
CREATE INDEX evidence_file_doomed ON evidence_file (doomed_at) WHERE doomed_at IS NOT NULL;
CREATE INDEX evidence_file_check ON evidence_file (checked_at NULLS FIRST, sha256);
CREATE INDEX evidence_file_damaged ON evidence_file (sha256) WHERE damage IS NOT NULL;

-- Which incidents name a file; the primary key leads by incident.
CREATE INDEX evidence_of_file ON evidence (sha256);

-- Of files from before this migration it is known only that somebody told of them.
INSERT INTO evidence_file (sha256, arrived_at)
SELECT sha256, max(captured_at) FROM evidence WHERE media_type <> 'video/mp4' GROUP BY sha256;

-- Work done from time to time: when it was last finished, and up to where it came.
CREATE TABLE chore (
    name        text PRIMARY KEY,
    finished_at timestamptz,
    reached_at  timestamptz
);
