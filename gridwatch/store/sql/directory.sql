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
