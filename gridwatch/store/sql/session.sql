-- What every connection does.

-- name: configure
-- A statement of ours that takes half a minute is stuck: the caller is told so rather than left to hang. Filters are
-- `parameter IS NULL OR ...`: only a plan made for the actual values can use the right index. None of them runs
-- for so long that it pays to compile it, or to start processes for it. The last is of any effect on TimescaleDB only:
-- what comes late, or is deleted, opens compressed rows, and a batch of many cameras opens more of them than the default
-- allows. It would fail each time it is tried. The length of a chunk bounds it.
SELECT set_config('TimeZone', 'UTC', false), set_config('statement_timeout', '30s', false),
    set_config('plan_cache_mode', 'force_custom_plan', false), set_config('jit', 'off', false),
    set_config('max_parallel_workers_per_gather', '0', false),
    set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false)

-- name: ping
SELECT 1

-- name: writable
SHOW transaction_read_only

-- name: listen
LISTEN gridwatch_events
