DROP FUNCTION forget_chunks(timestamptz, integer);
