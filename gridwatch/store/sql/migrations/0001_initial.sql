-- The first schema. Runs on PostgreSQL 15 to 18 and on TimescaleDB; `timescale.sql` says what differs there.
--
-- Every row that a scope can filter carries its site as three columns, so that a subtree is an equality on a prefix of
-- them and one index serves it. Codes are text, never enums of the database: a new kind needs no migration.

CREATE TABLE site (
    path        text PRIMARY KEY,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    name        text NOT NULL,
    lon         double precision,
    lat         double precision,
    active      boolean NOT NULL DEFAULT true
);

CREATE TABLE camera (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    lon         double precision NOT NULL,
    lat         double precision NOT NULL,
    active      boolean NOT NULL DEFAULT true
);

-- The latest report of each camera. No foreign key: a worker may report before the directory is synchronised.
CREATE TABLE camera_health (
    camera      text PRIMARY KEY,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    state       text NOT NULL,
    reason      text NOT NULL,
    since       timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    frames      bigint NOT NULL,
    analysed    bigint NOT NULL,
    dropped     bigint NOT NULL,
    detected    bigint NOT NULL,
    detections  bigint NOT NULL,
    incidents   bigint NOT NULL,
    fps         double precision NOT NULL
);

CREATE TABLE unit (
    code        text PRIMARY KEY,
    name        text NOT NULL,
    active      boolean NOT NULL DEFAULT true
);

-- Containment is computed in the program; the box is for maps and for finding candidates by hand.
CREATE TABLE grid (
    code        text PRIMARY KEY,
    name        text NOT NULL,
    unit        text NOT NULL REFERENCES unit (code),
    people      jsonb NOT NULL,
    geometry    jsonb NOT NULL,
    west        double precision NOT NULL,
    south       double precision NOT NULL,
    east        double precision NOT NULL,
    north       double precision NOT NULL,
    active      boolean NOT NULL DEFAULT true
);

-- Every message of every incident, as it came. A hypertable on TimescaleDB, so every unique index holds the time column.
CREATE TABLE incident_message (
    incident_id uuid NOT NULL,
    seq         integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    cursor      bigint NOT NULL,
    kind        text NOT NULL,
    severity    text NOT NULL,
    phase       text NOT NULL,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    camera      text NOT NULL,
    rule        text NOT NULL,
    lon         double precision NOT NULL,
    lat         double precision NOT NULL,
    score       double precision NOT NULL,
    count       integer NOT NULL,
    grid        text,
    detail      jsonb NOT NULL,
    UNIQUE (incident_id, seq, occurred_at)
);
CREATE INDEX incident_message_cursor ON incident_message (cursor);

-- The newest cursor. One row; its lock is what puts cursors in commit order (docs/design/store.md).
CREATE TABLE stream_head (
    id          integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    cursor      bigint NOT NULL
);
INSERT INTO stream_head (cursor) VALUES (0);

-- The current state of each incident: its message with the highest seq, and what it belongs to.
CREATE TABLE incident (
    incident_id uuid PRIMARY KEY,
    seq         integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    kind        text NOT NULL,
    severity    text NOT NULL,
    phase       text NOT NULL,
    district    text NOT NULL,
    substation  text,
    checkpoint  text,
    camera      text NOT NULL,
    rule        text NOT NULL,
    lon         double precision NOT NULL,
    lat         double precision NOT NULL,
    score       double precision NOT NULL,
    count       integer NOT NULL,
    grid        text,
    detail      jsonb NOT NULL
);
CREATE INDEX incident_newest ON incident (district, occurred_at DESC, incident_id DESC);
CREATE INDEX incident_newest_of_substation ON incident (district, substation, occurred_at DESC, incident_id DESC);
CREATE INDEX incident_newest_of_camera ON incident (camera, occurred_at DESC, incident_id DESC);

-- What evidence the messages named; the bytes are files named by their hash and may come before or after the row.
CREATE TABLE evidence (
    incident_id uuid NOT NULL,
    sha256      text NOT NULL,
    media_type  text NOT NULL,
    bytes       bigint NOT NULL,
    width       integer NOT NULL,
    height      integer NOT NULL,
    captured_at timestamptz NOT NULL,
    masked      boolean NOT NULL,
    PRIMARY KEY (incident_id, sha256)
);

-- `case` is a word of SQL, hence the plural here.
CREATE TABLE cases (
    id               uuid PRIMARY KEY,
    number           text NOT NULL UNIQUE,
    grid             text NOT NULL REFERENCES grid (code),
    district         text NOT NULL,
    substation       text,
    checkpoint       text,
    category         text NOT NULL,
    kind             text NOT NULL,
    severity         text NOT NULL,
    source           text NOT NULL,
    unit             text REFERENCES unit (code),
    step             text NOT NULL,
    clock_step       text,
    clock_started_at timestamptz,
    clock_due_at     timestamptz,
    opened_at        timestamptz NOT NULL,
    latest_at        timestamptz NOT NULL,
    CHECK ((clock_step IS NULL) = (clock_started_at IS NULL) AND (clock_step IS NULL) = (clock_due_at IS NULL))
);
CREATE INDEX cases_newest ON cases (district, latest_at DESC, id DESC);
CREATE INDEX cases_to_join ON cases (grid, kind, latest_at DESC) WHERE step NOT IN ('close', 'evaluate');
CREATE INDEX cases_due ON cases (clock_due_at) WHERE clock_due_at IS NOT NULL;

CREATE TABLE case_serial (
    grid        text NOT NULL,
    day         date NOT NULL,
    last        integer NOT NULL,
    PRIMARY KEY (grid, day)
);

-- An incident belongs to one case at most.
CREATE TABLE case_incident (
    incident_id uuid PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES cases (id),
    occurred_at timestamptz NOT NULL
);
CREATE INDEX case_incident_case ON case_incident (case_id, occurred_at, incident_id);

CREATE TABLE case_step (
    case_id     uuid NOT NULL REFERENCES cases (id),
    ordinal     integer NOT NULL,
    step        text NOT NULL,
    at          timestamptz NOT NULL,
    by          text NOT NULL,
    note        text NOT NULL,
    PRIMARY KEY (case_id, ordinal)
);

CREATE TABLE account (
    name          text PRIMARY KEY,
    role          text NOT NULL,
    district      text NOT NULL,
    substation    text,
    checkpoint    text,
    password_hash text NOT NULL
);

CREATE TABLE session (
    token_sha256 text PRIMARY KEY,
    account      text NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    expires_at   timestamptz NOT NULL
);

-- A hypertable on TimescaleDB. Append-only: whoever wants to change it must first take the triggers off, visibly.
CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    account     text NOT NULL,
    action      text NOT NULL,
    subject     text NOT NULL,
    reason      text NOT NULL,
    PRIMARY KEY (at, id)
);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- Messages that could not be read, set aside for a person. Bounded by the statement that inserts.
CREATE TABLE quarantine (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    topic       text NOT NULL,
    payload     bytea NOT NULL,
    bytes       bigint NOT NULL,
    reason      text NOT NULL
);
