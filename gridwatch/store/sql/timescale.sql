-- What differs on TimescaleDB, and nothing else does: run after the migrations where the extension is there, and again
-- whenever this file changes, so every statement may be repeated.
--
-- Time-ordered tables become hypertables and old chunks are compressed. Rows, constraints, queries and results are
-- those of plain PostgreSQL. Nothing here deletes: retention has a floor, holds and an audit entry for each deletion
-- (regulation 799, articles 16 and 17), which a chunk-dropping policy knows nothing of.

SELECT create_hypertable('incident_message', by_range('occurred_at', INTERVAL '1 day'),
                         if_not_exists => true, migrate_data => true);
SELECT create_hypertable('audit', by_range('at', INTERVAL '7 days'), if_not_exists => true, migrate_data => true);

-- A camera's messages lie together: that is how incidents are read back, and the columns repeat within it.
ALTER TABLE incident_message SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'camera',
    timescaledb.compress_orderby = 'occurred_at DESC, seq'
);
-- A week: later than any outbox is expected to deliver, as a late row into a compressed chunk costs a decompression.
SELECT add_compression_policy('incident_message', INTERVAL '7 days', if_not_exists => true);

ALTER TABLE audit SET (timescaledb.compress, timescaledb.compress_orderby = 'at DESC, id');
SELECT add_compression_policy('audit', INTERVAL '30 days', if_not_exists => true);
