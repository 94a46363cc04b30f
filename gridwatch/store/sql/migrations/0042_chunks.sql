-- On TimescaleDB the messages of a week are a chunk, and a chunk stays when retention has deleted what was in it: each
-- question that names no time would open hundreds of empty ones in the end. The number of empty chunks dropped, of those
-- that end by `before`, `most` at a time. Here there are none; timescale.sql has the function that does it.
CREATE FUNCTION forget_chunks(before timestamptz, most integer) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
