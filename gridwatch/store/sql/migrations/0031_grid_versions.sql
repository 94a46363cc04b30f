-- How grids were: `grid` holds them as they are, and this every state since this migration, the present one included. So a
-- case can be shown with the grid, unit and people of its day.
CREATE TABLE grid_version (
    code        text NOT NULL REFERENCES grid (code),
    valid_from  timestamptz NOT NULL,
    valid_to    timestamptz,
    name        text NOT NULL,
    unit        text NOT NULL,
    people      jsonb NOT NULL,
    geometry    jsonb NOT NULL,
    PRIMARY KEY (code, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX grid_version_present ON grid_version (code) WHERE valid_to IS NULL;

-- As far as is known, those there are have always been so.
INSERT INTO grid_version (code, valid_from, name, unit, people, geometry)
SELECT code, '1970-01-01 00:00:00+00', name, unit, people, geometry FROM grid WHERE active;
