"""PostgreSQL and TimescaleDB: pool, migrations, named SQL. The only importer of psycopg."""
