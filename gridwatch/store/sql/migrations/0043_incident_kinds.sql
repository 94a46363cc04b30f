-- The kind last: of a seldom kind in a substation only the rows that match are fetched, not all of its week. Not the severity
-- as well, which changes as an incident goes on, and what changes no index costs less to write (0002_incident_room).
DROP INDEX incident_newest_of_substation;
CREATE INDEX incident_newest_of_substation ON incident (district, substation, occurred_at DESC, incident_id DESC, kind);
