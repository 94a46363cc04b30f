"""Incidents to and from MQTT: topics, schemas, outbox, client. The only importer of paho."""
