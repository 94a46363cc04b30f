-- loses how grids were before: SELECT EXISTS (SELECT FROM grid_version WHERE valid_to IS NOT NULL)
DROP TABLE grid_version;
