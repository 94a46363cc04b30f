-- loses incidents: SELECT EXISTS (SELECT FROM incident_message)
-- loses cases: SELECT EXISTS (SELECT FROM cases)
-- loses the audit: SELECT EXISTS (SELECT FROM audit)
-- loses accounts: SELECT EXISTS (SELECT FROM account)
-- loses quarantined messages: SELECT EXISTS (SELECT FROM quarantine)
-- loses the directory: SELECT EXISTS (SELECT FROM site)
-- Each by itself, as TimescaleDB wants it of hypertables.
DROP TABLE audit;
DROP TABLE incident_message;
DROP TABLE quarantine, session, account, case_step, case_incident, case_serial, cases, evidence, incident, stream_head,
    grid, unit, camera_health, camera, site;
DROP FUNCTION audit_is_append_only();
