-- Commands over the broker: what an acknowledgement leaves, and what keeps a repeat from counting twice.

ALTER TABLE incident ADD COLUMN acknowledged_at timestamptz, ADD COLUMN acknowledged_by text,
    ADD CONSTRAINT incident_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL));

-- Messages about commands that the audit has, by the hash of topic and payload: a broker may give them again.
CREATE TABLE command_message (
    sha256      text PRIMARY KEY,
    noted_at    timestamptz NOT NULL
);
CREATE INDEX command_message_noted ON command_message (noted_at);

-- Answers given, so that a command that comes again is answered alike; kept for longer than a command may live.
CREATE TABLE command_answer (
    command     uuid PRIMARY KEY,
    essence     text NOT NULL,
    payload     bytea NOT NULL,
    answered_at timestamptz NOT NULL
);
CREATE INDEX command_answer_answered ON command_answer (answered_at);
