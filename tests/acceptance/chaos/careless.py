"""A recorder that breaks the guarantee on purpose, to see that it is noticed: it acknowledges before the commit.

It is called as `gridwatch record` is.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gridwatch.app.opening import make_database, open_database, run_until_signalled
from gridwatch.app.recorder import Recorder
from gridwatch.bus import BrokerAddress, Channel, Delivery, Subscriber, subscriptions
from gridwatch.cases import CaseLinker
from gridwatch.config import load_settings
from gridwatch.domain import SitePath, SystemClock
from gridwatch.store import StoreUnavailable

CLOCK = SystemClock()
WRITE_EVERY = 1.0


async def record(config: Path, name: str, stop: asyncio.Event) -> None:
    settings = load_settings(config)
    database = make_database(settings, CLOCK)
    await open_database(database, settings.deployment.services.data_dir, CLOCK, stop)
    units = [one.to_domain() for one in settings.deployment.units]
    await database.sync_directory(settings.sites, [], settings.grids, units)
    categories = [one.to_domain() for one in settings.deployment.cases.categories]
    recorder = Recorder(database, CaseLinker(categories, database, CLOCK))
    waiting: list[Delivery] = []

    def deliver(delivery: Delivery) -> None:
        waiting.append(replace(delivery, ack=lambda: None))
        delivery.ack()  # this is what is wrong with it

    district = SitePath(district=settings.deployment.district.id)
    subscriber = Subscriber(
        BrokerAddress.from_config(settings.deployment.services.broker), f"gridwatch-{name}",
        subscriptions(district, Channel.INCIDENT), deliver, persistent=True, clock=CLOCK,
    )  # fmt: skip
    subscriber.start()
    while not stop.is_set():
        await write(recorder, waiting)
        await asyncio.sleep(WRITE_EVERY)
    await asyncio.to_thread(subscriber.close, 2.0)
    await write(recorder, waiting)
    await database.close()


async def write(recorder: Recorder, waiting: list[Delivery]) -> None:
    batch: Sequence[Delivery] = waiting[:200]
    try:
        await recorder.record(batch)
    except StoreUnavailable:
        return
    del waiting[: len(batch)]


if __name__ == "__main__":
    _, _, _, config_path, _, session = sys.argv
    run_until_signalled(lambda stop: record(Path(config_path), session, stop))
