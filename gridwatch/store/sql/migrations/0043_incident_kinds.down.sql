DROP INDEX incident_newest_of_substation;
CREATE INDEX incident_newest_of_substation ON incident (district, substation, occurred_at DESC, incident_id DESC);
