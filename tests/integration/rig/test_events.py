"""The rig's event service, asked by the library's own pull point client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from zeep.exceptions import Fault as SoapFault

from gridwatch.domain import SystemClock
from gridwatch.rig import PropertyOperation, Rig
from gridwatch.rig.onvif_events import MAX_QUEUED, MAX_SUBSCRIPTIONS
from tests.fixtures.rig import MakeRig
from tests.integration.rig.test_onvif import asked

INPUT = "tns1:Device/Trigger/DigitalInput"


def switch(rig: Rig, *, on: bool, operation: PropertyOperation = PropertyOperation.CHANGED) -> None:
    rig.emit("cam1", INPUT, {"InputToken": "di1"}, {"LogicalState": str(on).lower()}, operation)


@asynccontextmanager
async def pull_point(rig: Rig) -> AsyncIterator[Any]:
    async with asked(rig.onvif_url("cam1")) as camera:
        events = await camera.create_events_service()
        made = await events.CreatePullPointSubscription({"InitialTerminationTime": "PT60S"})
        key = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription"
        camera.xaddrs[key] = made.SubscriptionReference.Address._value_1
        yield await camera.create_pullpoint_service()


async def pull(service: Any, seconds: float = 5.0, limit: int = 10) -> list[tuple[str, str]]:
    """(operation, state) of each message."""
    answer = await service.PullMessages({"Timeout": timedelta(seconds=seconds), "MessageLimit": limit})
    messages = [one.Message._value_1 for one in answer.NotificationMessage]
    return [(one["PropertyOperation"], one["Data"].SimpleItem[0].Value) for one in messages]


async def test_the_state_comes_first_and_then_each_change(rig: MakeRig) -> None:
    running = rig()
    switch(running, on=False)
    async with pull_point(running) as service:
        assert await pull(service) == [("Initialized", "false")]
        switch(running, on=True)
        assert await pull(service) == [("Changed", "true")]
        await service.SetSynchronizationPoint()
        assert await pull(service) == [("Initialized", "true")]


async def test_a_pull_waits_for_news_and_no_longer_than_it_is_told_to(rig: MakeRig) -> None:
    running, clock = rig(), SystemClock()
    async with pull_point(running) as service:
        began = clock.monotonic()
        assert await pull(service, 1.0) == []
        assert 1.0 <= clock.monotonic() - began < 4.0
        waiting = asyncio.create_task(pull(service, 30.0))
        await asyncio.sleep(0)
        switch(running, on=True)
        assert await waiting == [("Changed", "true")]


async def test_a_pull_takes_no_more_than_its_limit_and_the_queue_is_bounded(rig: MakeRig) -> None:
    running = rig()
    async with pull_point(running) as service:
        for i in range(MAX_QUEUED + 2):
            switch(running, on=i % 2 == 0)
        assert len(await pull(service, limit=3)) == 3
        assert len(await pull(service, limit=2 * MAX_QUEUED)) == MAX_QUEUED - 3


async def test_subscriptions_are_lost_on_request_and_a_pull_that_waits_is_told(rig: MakeRig) -> None:
    running = rig()
    async with pull_point(running) as service:
        waiting = asyncio.create_task(pull(service, 30.0))
        while running.subscriptions("cam1") != (1, 1):
            await asyncio.sleep(0.01)
        running.lose_subscriptions("cam1")
        with pytest.raises(SoapFault, match="no such subscription"):
            await waiting
    assert running.subscriptions("cam1") == (0, 1)


async def test_a_subscription_ends_by_the_cameras_own_clock(rig: MakeRig) -> None:
    running = rig()
    async with pull_point(running) as service:
        running.step_clock("cam1", 3600.0)
        async with asked(running.onvif_url("cam1"), adjust_time=True) as later:
            later.xaddrs["http://www.onvif.org/ver10/events/wsdl/PullPointSubscription"] = service.xaddr
            with pytest.raises(SoapFault, match="no such subscription"):
                await pull(await later.create_pullpoint_service())


async def test_a_camera_that_reboots_refuses_connections_and_comes_back_at_its_port(rig: MakeRig) -> None:
    running = rig()
    url = running.onvif_url("cam1")
    async with pull_point(running) as service:
        waiting = asyncio.create_task(pull(service, 30.0))
        while running.subscriptions("cam1") != (1, 1):
            await asyncio.sleep(0.01)
        running.reboot("cam1", 1.0)
        with pytest.raises((aiohttp.ClientError, SoapFault)):
            await waiting
    with pytest.raises(aiohttp.ClientError):
        await pull(service)
    clock = SystemClock()
    deadline = clock.monotonic() + 10
    while True:
        try:
            async with asked(url):
                break
        except aiohttp.ClientError:
            assert clock.monotonic() < deadline
            await asyncio.sleep(0.05)
    assert running.subscriptions("cam1") == (0, 1)


async def test_a_camera_allows_few_subscriptions(rig: MakeRig) -> None:
    async with asked(rig().onvif_url("cam1")) as camera:
        events = await camera.create_events_service()
        for _ in range(MAX_SUBSCRIPTIONS):
            await events.CreatePullPointSubscription({"InitialTerminationTime": "PT60S"})
        with pytest.raises(SoapFault, match="too many"):
            await events.CreatePullPointSubscription({"InitialTerminationTime": "PT60S"})


async def test_the_topics_it_has_told_of_are_listed(rig: MakeRig) -> None:
    running = rig()
    switch(running, on=True)
    async with asked(running.onvif_url("cam1")) as camera:
        events = await camera.create_events_service()
        properties = await events.GetEventProperties()
    topics = [element.tag for element in properties.TopicSet._value_1]
    assert topics == ["{http://www.onvif.org/ver10/topics}Device"]


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_property_that_is_deleted_has_no_state_any_more(rig: MakeRig, *, deleted: bool) -> None:
    running = rig()
    switch(running, on=True)
    if deleted:
        switch(running, on=True, operation=PropertyOperation.DELETED)
    async with pull_point(running) as service:
        assert len(await pull(service, 1.0)) == (0 if deleted else 1)
