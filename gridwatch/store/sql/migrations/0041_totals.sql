-- Counts of whole substations and districts, and of grids over all kinds: what is asked for most. Read and summed as those of
-- 0003_statistics. Here they are the same rows; on TimescaleDB aggregates of their own, with a tenth of the rows or less
-- (timescale.sql).
CREATE VIEW substation_hours AS SELECT bucket, district, substation, kind, incidents FROM site_hours;
CREATE VIEW district_days AS SELECT bucket, district, kind, incidents FROM site_days;
CREATE VIEW grid_totals AS SELECT bucket, district, grid, incidents FROM grid_days;
