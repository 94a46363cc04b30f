-- Incidents counted. Views and function are there on every server; what is behind them differs (timescale.sql).
-- Summed as integers, which takes half as long as the decimals that a sum of bigint is. By time they come as arrays, with
-- the place of each bucket after `since`, in any order: a row for each of twenty thousand would take longer than to count.

-- name: count_incidents
SELECT count_incidents(%(most)s) AS messages

-- name: site_hours
SELECT kind, array_agg(date_part('epoch', bucket - %(since)s::timestamptz)::integer / 3600) AS places,
    array_agg(incidents::integer) AS counts
FROM (
    SELECT bucket, kind, sum(incidents::integer) AS incidents
    FROM site_hours
    WHERE district = %(district)s
      AND (%(substation)s::text IS NULL OR substation = %(substation)s)
      AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
      AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
      AND bucket >= %(since)s AND bucket < %(until)s
    GROUP BY bucket, kind
) AS counted
GROUP BY kind ORDER BY kind

-- name: substation_hours
-- A count may come in parts here, to be summed by who asked: to bring twenty thousand together takes longer than to send them.
SELECT kind, array_agg(date_part('epoch', bucket - %(since)s::timestamptz)::integer / 3600) AS places,
    array_agg(incidents::integer) AS counts
FROM substation_hours
WHERE district = %(district)s AND substation = %(substation)s
  AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
  AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY kind ORDER BY kind

-- name: site_days
SELECT kind, array_agg(date_part('epoch', bucket - %(since)s::timestamptz)::integer / 86400) AS places,
    array_agg(incidents::integer) AS counts
FROM (
    SELECT bucket, kind, sum(incidents::integer) AS incidents
    FROM site_days
    WHERE district = %(district)s
      AND (%(substation)s::text IS NULL OR substation = %(substation)s)
      AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
      AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
      AND bucket >= %(since)s AND bucket < %(until)s
    GROUP BY bucket, kind
) AS counted
GROUP BY kind ORDER BY kind

-- name: district_days
SELECT kind, array_agg(date_part('epoch', bucket - %(since)s::timestamptz)::integer / 86400) AS places,
    array_agg(incidents::integer) AS counts
FROM (
    SELECT bucket, kind, sum(incidents::integer) AS incidents
    FROM district_days
    WHERE district = %(district)s
      AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
      AND bucket >= %(since)s AND bucket < %(until)s
    GROUP BY bucket, kind
) AS counted
GROUP BY kind ORDER BY kind

-- name: grid_totals
SELECT grid, sum(incidents::integer) AS incidents
FROM grid_totals
WHERE district = %(district)s AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY grid ORDER BY grid

-- name: grid_days
SELECT grid, sum(incidents::integer) AS incidents
FROM grid_days
WHERE district = %(district)s
  AND (%(substation)s::text IS NULL OR substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
  AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s::text[]))
  AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY grid ORDER BY grid
