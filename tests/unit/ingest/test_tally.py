from concurrent.futures import ThreadPoolExecutor

from gridwatch.ingest import ReaderTally


def test_counters_lose_nothing_between_threads() -> None:
    tally = ReaderTally()

    def count(_: int) -> None:
        for _ in range(500):
            tally.packet(size=10, decoded=1, errors=2)
            tally.emitted()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    now = tally.snapshot()
    assert (now.bytes, now.decoded, now.decode_errors, now.emitted) == (20_000, 2000, 4000, 2000)


def test_the_first_connection_is_no_reconnect() -> None:
    tally = ReaderTally()
    assert tally.snapshot().reconnects == 0
    tally.connected()
    assert tally.snapshot().reconnects == 0
    tally.connected()
    tally.connected()
    assert tally.snapshot().reconnects == 2
