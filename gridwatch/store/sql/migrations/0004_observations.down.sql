-- loses observations: SELECT EXISTS (SELECT FROM observation)
-- loses the history of cameras' health: SELECT EXISTS (SELECT FROM camera_health_change)
DROP FUNCTION forget_series(timestamptz);
DROP TABLE observation;
DROP TABLE camera_health_change;
