"""Event services of devices unlike the rig's: broken, hostile, or of another make."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from pydantic import SecretStr

from gridwatch.config.model import CameraConfig, CameraSource, OnvifSource
from gridwatch.domain import FakeClock, SystemClock
from gridwatch.ingest import CameraUnreachable, IngestError
from gridwatch.ingest.events import DeviceEvent, EventReader, EventTally, NoEventService, NoPullPoint, SubscriptionLost
from gridwatch.ingest.events.pullpoint import MAX_MESSAGES
from gridwatch.ingest.onvif_client import EVENTS, MAX_ANSWER_BYTES
from tests.integration.ingest.canned import DEVICE, Canned, Serve, date_and_time, fault, soap
from tests.integration.ingest.harness import everything_it_says
from tests.unit.ingest.event_messages import TOPICS, notification

PLATE = "沪A-12345"
NAMESPACES = (
    f'xmlns:tev="{EVENTS}" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="{TOPICS}" '
    'xmlns:wsa="http://www.w3.org/2005/08/addressing"'
)
TIMES = "<{0}:CurrentTime>{1}</{0}:CurrentTime><{0}:TerminationTime>{2}</{0}:TerminationTime>"
USUAL = ("2026-01-01T00:00:00Z", "2026-01-01T00:03:00Z")


class Collected:
    """Takes events."""

    def __init__(self) -> None:
        self.events: list[DeviceEvent] = []
        self.news = asyncio.Event()

    async def subscribed(self) -> None:
        pass

    async def take(self, events: Sequence[DeviceEvent]) -> None:
        self.events += events
        self.news.set()


def created(address: str = "http://192.168.1.64:0/pull/1", reference: str = "") -> Canned:
    return soap(
        f"<tev:CreatePullPointSubscriptionResponse {NAMESPACES}><tev:SubscriptionReference>"
        f"<wsa:Address>{address}</wsa:Address>{reference}</tev:SubscriptionReference>{TIMES.format('wsnt', *USUAL)}"
        "</tev:CreatePullPointSubscriptionResponse>"
    )


def pulled(*notifications: str, times: tuple[str, str] = USUAL) -> Canned:
    return soap(
        f"<tev:PullMessagesResponse {NAMESPACES}>{TIMES.format('tev', *times)}{''.join(notifications)}"
        "</tev:PullMessagesResponse>"
    )


def crossing(number: int = 0) -> str:
    return notification("tns1:RuleEngine/LineDetector/Crossed", {"ObjectId": str(number)}, {"Rule": f"r{number}"})


def device(**changes: Canned) -> dict[str, Canned]:
    listed = "".join(
        f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>http://192.168.1.64:0{path}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
        for namespace, path in ((DEVICE, "/device"), (EVENTS, "/events"))
    )
    return {
        "GetSystemDateAndTime": date_and_time(FakeClock().now()),
        "GetServices": soap(f"<tds:GetServicesResponse>{listed}</tds:GetServicesResponse>"),
        "CreatePullPointSubscription": created(),
        "PullMessages": pulled(crossing()),
        "Unsubscribe": soap('<wsnt:UnsubscribeResponse xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"/>'),
    } | changes


def reader(url: str, tally: EventTally, out: Collected) -> EventReader:
    source = OnvifSource(url=url, username="admin", password=SecretStr("pw-secret"))
    camera = CameraConfig(id="gate-3", site="north", position=(0, 0), source=CameraSource(onvif=source))
    return EventReader(camera, SystemClock(), out, tally, asyncio.Semaphore(1))


async def hear(url: str) -> tuple[Collected, EventTally]:
    """Read until the first events came."""
    out, tally = Collected(), EventTally()
    running = asyncio.create_task(reader(url, tally, out).run_once())
    news = asyncio.create_task(out.news.wait())
    async with asyncio.timeout(20):
        await asyncio.wait({running, news}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, news):
        task.cancel()
    await asyncio.wait({running, news})
    if not running.cancelled():
        running.result()
    return out, tally


async def fail(url: str) -> IngestError:
    with pytest.raises(IngestError) as caught:
        await hear(url)
    return caught.value


async def test_a_device_behind_nat_is_pulled_from_where_it_was_found(serve: Serve) -> None:
    out, tally = await hear(serve(device()))
    assert [dict(event.source)["Rule"] for event in out.events] == ["r0"]
    assert (tally.subscriptions, tally.connected) == (1, False)


@pytest.mark.parametrize(
    "answer",
    [
        Canned(""),
        Canned("\0\1\2 garbage"),
        Canned("<html><body>Welcome</body></html>"),
        Canned(pulled(crossing()).body[:-200]),
        Canned(pulled(crossing()).body.replace("PullMessagesResponse", "Pull<Messages")),
        Canned(f'<!DOCTYPE a [<!ENTITY p "{PLATE}">]>' + pulled(crossing()).body.partition("?>")[2]),
        Canned("<a>" * 100_000),
        soap(""),
        fault("ter:InvalidArgVal", "what?"),
        Canned("", 500),
        Canned("", 404),
        pulled("<wsnt:NotificationMessage><wsnt:Topic/></wsnt:NotificationMessage>" * 3),
        pulled("<wsnt:NotificationMessage>" * 60 + "</wsnt:NotificationMessage>" * 60),
    ],
)
async def test_what_a_broken_device_answers_is_an_error_of_ours_or_counted(serve: Serve, answer: Canned) -> None:
    out, tally = Collected(), EventTally()
    running = asyncio.create_task(reader(serve(device(PullMessages=answer)), tally, out).run_once())
    while not running.done() and not tally.malformed and not tally.pulls:
        await asyncio.sleep(0.01)
    if running.done():
        with pytest.raises((CameraUnreachable, SubscriptionLost), match="camera gate-3: "):
            running.result()
    running.cancel()
    await asyncio.wait({running})
    assert len(out.events) <= 1


@pytest.mark.parametrize("times", [("soon", "later"), ("", ""), ("2026-01-01T00:00:00Z", "1970-01-01T00:00:00")])
async def test_times_that_cannot_be_read_cost_no_event(serve: Serve, times: tuple[str, str]) -> None:
    out, _ = await hear(serve(device(PullMessages=pulled(crossing(), times=times))))
    assert len(out.events) == 1


async def test_a_message_whose_time_is_none_costs_no_event(serve: Serve) -> None:
    odd = notification("tns1:RuleEngine/LineDetector/Crossed", attributes='UtcTime="yesterday"')
    out, _ = await hear(serve(device(PullMessages=pulled(odd, crossing()))))
    assert len(out.events) == 2


async def test_an_answer_without_end_is_cut_off(serve: Serve) -> None:
    error = await fail(serve(device(PullMessages=Canned(pulled(crossing()).body + " " * MAX_ANSWER_BYTES))))
    assert isinstance(error, CameraUnreachable)


async def test_more_messages_than_were_asked_for_are_counted_and_left_out(serve: Serve) -> None:
    out, tally = await hear(serve(device(PullMessages=pulled(*map(crossing, range(MAX_MESSAGES + 7))))))
    assert (len(out.events), tally.dropped) == (MAX_MESSAGES, 7)


async def test_a_device_that_answers_at_once_is_not_asked_all_the_time(serve: Serve) -> None:
    tally = EventTally()
    running = asyncio.create_task(reader(serve(device(PullMessages=pulled())), tally, Collected()).run_once())
    while tally.pulls < 2:
        await asyncio.sleep(0.01)
    began = SystemClock().monotonic()
    while tally.pulls < 4:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    assert SystemClock().monotonic() - began > 1.5


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (fault("ter:MaxPullPoints", "too many"), NoPullPoint),
        (fault("ter:ActionNotSupported", "no", 500), NoPullPoint),
        (created(address=""), NoPullPoint),
        (created(address="urn:uuid:7"), NoPullPoint),
        (soap("<tds:SomethingElse/>"), IngestError),
    ],
)
async def test_a_device_that_makes_no_pull_point_says_so(serve: Serve, answer: Canned, error: type[Exception]) -> None:
    caught = await fail(serve(device(CreatePullPointSubscription=answer)))
    assert isinstance(caught, error)
    assert "pw-secret" not in everything_it_says(caught)


async def test_a_device_without_event_service_is_known_by_its_own_list(serve: Serve) -> None:
    listed = device()["GetServices"].body.replace(EVENTS, "http://www.onvif.org/ver20/ptz/wsdl")
    assert isinstance(await fail(serve(device(GetServices=Canned(listed)))), NoEventService)


async def test_a_lost_subscription_is_told_from_a_lost_camera(serve: Serve) -> None:
    gone = fault("ter:InvalidArgVal", "ResourceUnknown: no such subscription")
    assert isinstance(await fail(serve(device(PullMessages=gone))), SubscriptionLost)


async def test_what_names_a_subscription_is_repeated_in_every_request(serve: Serve) -> None:
    """As WS-Addressing demands and Axis needs: the address alone does not say which subscription is meant."""
    requests: list[bytes] = []
    parameters = (
        '<wsa:ReferenceParameters><dom0:SubscriptionId xmlns:dom0="http://www.axis.com/2009/event">42'
        "</dom0:SubscriptionId></wsa:ReferenceParameters>"
    )
    answers = device(CreatePullPointSubscription=created(reference=parameters))
    await hear(serve(answers, requests=requests))
    about = [
        one for one in requests if re.search(rb"<[\w-]+:(PullMessages|Unsubscribe|SetSynchronizationPoint)\b", one)
    ]
    assert len(about) >= 3
    assert all(re.search(rb"Header>.*SubscriptionId[^>]*>42</.*Header>", one, re.DOTALL) for one in about)


async def test_an_event_is_dated_by_the_offset_of_the_cameras_clock(serve: Serve) -> None:
    clock = SystemClock()
    ahead = clock.now() + timedelta(hours=3)
    attributes = f'UtcTime="{ahead.isoformat()}"'
    message = notification("tns1:RuleEngine/LineDetector/Crossed", attributes=attributes)
    out, _ = await hear(serve(device(GetSystemDateAndTime=date_and_time(ahead), PullMessages=pulled(message))))
    (event, *_) = out.events
    assert abs(event.occurred_at - clock.now()) < timedelta(seconds=5)
    assert event.utc_time == ahead


async def test_a_subscription_that_pulling_does_not_keep_alive_is_renewed(serve: Serve) -> None:
    requests: list[bytes] = []
    short = pulled(crossing(), times=("2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z"))
    url = serve(device(PullMessages=short), requests=requests)  # which knows no Renew, and so is asked once
    tally = EventTally()
    running = asyncio.create_task(reader(url, tally, Collected()).run_once())
    while tally.pulls < 3:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    assert sum(b"Renew>" in one for one in requests) == 1
    timeouts = re.findall(rb"Timeout>(\w+)<", b"".join(requests))
    assert timeouts[:2] == [b"PT1M", b"PT15S"]  # never so long that it could end meanwhile


async def test_a_device_that_cannot_wait_so_long_is_asked_for_less(serve: Serve) -> None:
    requests: list[bytes] = []
    one = reader(
        serve(device(PullMessages=fault("ter:InvalidArgVal", "Timeout too long")), requests=requests),
        EventTally(), Collected(),
    )  # fmt: skip
    for _ in range(3):
        with pytest.raises(SubscriptionLost):
            await one.run_once()
    asked = b"".join(requests)
    assert re.findall(rb"Timeout>(\w+)<", asked) == [b"PT1M", b"PT1M", b"PT10S"]
    assert re.findall(rb"MessageLimit>(\d+)<", asked) == [b"100", b"100", b"10"]
