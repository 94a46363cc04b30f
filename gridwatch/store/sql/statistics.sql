-- Incidents counted. Views and function are there on every server; what is behind them differs (timescale.sql).

-- name: count_incidents
SELECT count_incidents(%(most)s) AS messages

-- name: site_hours
SELECT bucket, kind, sum(incidents)::bigint AS incidents
FROM site_hours
WHERE district = %(district)s
  AND (%(substation)s::text IS NULL OR substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
  AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
  AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY bucket, kind ORDER BY bucket, kind

-- name: site_days
SELECT bucket, kind, sum(incidents)::bigint AS incidents
FROM site_days
WHERE district = %(district)s
  AND (%(substation)s::text IS NULL OR substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
  AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
  AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY bucket, kind ORDER BY bucket, kind

-- name: grid_days
SELECT grid, sum(incidents)::bigint AS incidents
FROM grid_days
WHERE district = %(district)s
  AND (%(substation)s::text IS NULL OR substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
  AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
  AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY grid ORDER BY grid
