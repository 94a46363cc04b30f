-- Sites, cameras, units and grids. What is no longer listed is kept, inactive: old incidents and cases refer to it.

-- name: lock_directory
SELECT pg_advisory_xact_lock(%(key)s)

-- name: keep_sites
INSERT INTO site SELECT * FROM jsonb_populate_recordset(NULL::site, %(rows)s::jsonb)
ON CONFLICT (path) DO UPDATE SET name = excluded.name, lon = excluded.lon, lat = excluded.lat, active = true

-- name: keep_cameras
INSERT INTO camera SELECT * FROM jsonb_populate_recordset(NULL::camera, %(rows)s::jsonb)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, district = excluded.district, substation = excluded.substation,
    checkpoint = excluded.checkpoint, lon = excluded.lon, lat = excluded.lat, active = true

-- name: keep_units
INSERT INTO unit SELECT * FROM jsonb_populate_recordset(NULL::unit, %(rows)s::jsonb)
ON CONFLICT (code) DO UPDATE SET name = excluded.name, active = true

-- name: keep_grids
INSERT INTO grid SELECT * FROM jsonb_populate_recordset(NULL::grid, %(rows)s::jsonb)
ON CONFLICT (code) DO UPDATE SET name = excluded.name, unit = excluded.unit, people = excluded.people,
    geometry = excluded.geometry, west = excluded.west, south = excluded.south, east = excluded.east,
    north = excluded.north, active = true

-- name: retire_sites
UPDATE site SET active = false WHERE active AND path <> ALL (%(keys)s::text[])

-- name: retire_cameras
UPDATE camera SET active = false WHERE active AND id <> ALL (%(keys)s::text[])

-- name: retire_units
UPDATE unit SET active = false WHERE active AND code <> ALL (%(keys)s::text[])

-- name: retire_grids
UPDATE grid SET active = false WHERE active AND code <> ALL (%(keys)s::text[])

-- name: close_versions
-- A grid that changed, or left, ends its version; it never lasted less than a microsecond.
UPDATE grid_version v SET valid_to = greatest(%(now)s, v.valid_from + interval '1 microsecond')
WHERE v.valid_to IS NULL AND NOT EXISTS (
    SELECT FROM grid g WHERE g.code = v.code AND g.active
      AND (g.name, g.unit, g.people, g.geometry) IS NOT DISTINCT FROM (v.name, v.unit, v.people, v.geometry)
)

-- name: open_versions
INSERT INTO grid_version (code, valid_from, name, unit, people, geometry)
SELECT g.code, greatest(%(now)s, (SELECT max(o.valid_to) FROM grid_version o WHERE o.code = g.code)),
    g.name, g.unit, g.people, g.geometry
FROM grid g
WHERE g.active AND NOT EXISTS (SELECT FROM grid_version v WHERE v.code = g.code AND v.valid_to IS NULL)

-- name: grids_at
SELECT code, name, unit, people, geometry FROM grid_version
WHERE valid_from <= %(at)s AND (valid_to IS NULL OR valid_to > %(at)s) ORDER BY code

-- name: grids_changed
-- When grids last changed: another process may have done it.
SELECT greatest(max(valid_from), max(valid_to)) AS at FROM grid_version

-- name: sites
SELECT path, name, lon, lat FROM site
WHERE active AND district = %(district)s
  AND (%(substation)s::text IS NULL OR substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR checkpoint = %(checkpoint)s)
ORDER BY district, substation NULLS FIRST, checkpoint NULLS FIRST

-- name: cameras
SELECT c.id, c.name, c.district, c.substation, c.checkpoint, c.lon, c.lat, to_jsonb(h) IS NOT NULL AS reported, h.state,
    h.reason, h.since, h.observed_at, h.frames, h.analysed, h.dropped, h.detected, h.detections, h.incidents, h.fps,
    c.id AS camera
FROM camera c LEFT JOIN camera_health h ON h.camera = c.id
WHERE c.active AND c.district = %(district)s
  AND (%(substation)s::text IS NULL OR c.substation = %(substation)s)
  AND (%(checkpoint)s::text IS NULL OR c.checkpoint = %(checkpoint)s)
ORDER BY c.district, c.substation NULLS FIRST, c.checkpoint NULLS FIRST, c.id

-- name: grids
SELECT code, name, unit, people, geometry FROM grid WHERE active ORDER BY code
