-- What the history needs besides on TimescaleDB: the state that its policies bring about, at a time of its own.

-- name: pause_jobs
-- They go by today, and the history ends on another day.
SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE hypertable_schema IS NOT NULL

-- name: chunks
-- One who makes a chunk locks out all others until the commit: they are made beforehand, by a row a day that goes again.
INSERT INTO incident_message (incident_id, seq, occurred_at, observed_at, recorded_at, cursor, kind, severity, phase,
    district, camera, rule, lon, lat, score, count, detail)
SELECT '00000000-0000-7000-8000-000000000000', -1, at, at, at, 0, '', '', '', '', '', '', 0, 0, 0, 0, '{}'
FROM generate_series(0, %(days)s - 1) AS n CROSS JOIN LATERAL (SELECT %(start)s + n * interval '1 day' AS at) AS day

-- name: chunks_only
DELETE FROM incident_message

-- name: compress
SELECT compress_chunk(chunk, if_not_compressed => true)
FROM show_chunks('incident_message', newer_than => %(since)s::timestamptz, older_than => %(until)s::timestamptz) AS chunk

-- name: refresh
CALL refresh_continuous_aggregate(%(name)s, %(since)s, %(until)s)

-- name: size
SELECT h.hypertable_name::text AS name,
    hypertable_size(format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass) AS bytes
FROM timescaledb_information.hypertables h
UNION ALL
SELECT c.view_name::text, hypertable_size(
    format('%I.%I', c.materialization_hypertable_schema, c.materialization_hypertable_name)::regclass)
FROM timescaledb_information.continuous_aggregates c
UNION ALL
SELECT 'messages_before', before_compression_total_bytes FROM hypertable_compression_stats('incident_message')
UNION ALL
SELECT 'messages_compressed', after_compression_total_bytes FROM hypertable_compression_stats('incident_message')
