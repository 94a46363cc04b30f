-- loses acknowledgements: SELECT EXISTS (SELECT FROM incident WHERE acknowledged_at IS NOT NULL)
-- loses answers to commands: SELECT EXISTS (SELECT FROM command_answer)
DROP TABLE command_answer, command_message;
ALTER TABLE incident DROP CONSTRAINT incident_acknowledged, DROP COLUMN acknowledged_at, DROP COLUMN acknowledged_by;
