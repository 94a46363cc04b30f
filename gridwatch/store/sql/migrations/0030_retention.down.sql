-- loses legal holds: SELECT EXISTS (SELECT FROM hold)
-- loses what is known of evidence files: SELECT EXISTS (SELECT FROM evidence_file)
DROP TABLE chore, evidence_file;
DROP INDEX evidence_of_file;
DROP FUNCTION incident_is_held(uuid, timestamptz);
DROP TABLE hold;
