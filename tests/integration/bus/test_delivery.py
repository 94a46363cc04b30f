"""Nothing is lost and each camera's order is kept, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.bus import (
    BrokerAddress,
    Channel,
    Delivery,
    LinkState,
    LinkStatus,
    Outbox,
    Publisher,
    Subscriber,
    decode_evidence,
    decode_incident,
    encode_incident,
)
from gridwatch.domain import FakeClock, Incident, SitePath
from tests.fixtures.broker import BrokerControl
from tests.integration.bus.parts import CLOCK, Collector, publishing, subscribed, wait_until
from tests.unit.bus.samples import JPEG, evidence, incident

pytestmark = pytest.mark.timeout(90)


def incidents(district: str, count: int, cameras: int = 5) -> list[Incident]:
    site = SitePath(district=district, substation="north")
    return [incident(n, site=site, camera=f"cam-{n % cameras}") for n in range(count)]


def order_kept(payloads: list[bytes], sent: list[Incident]) -> bool:
    """Whether the first deliveries are `sent`, whole, and in order camera by camera."""
    received = [json.loads(payload)["data"] for payload in payloads]
    by_camera: dict[str, list[str]] = {}
    for one in received:
        by_camera.setdefault(one["camera"], []).append(one["id"])
    expected: dict[str, list[str]] = {}
    for two in sent:
        expected.setdefault(two.camera, []).append(str(two.id))
    return by_camera == expected


def test_what_was_appended_before_connecting_arrives_in_order_and_leaves_the_outbox(
    broker: BrokerControl, tmp_path: Path
) -> None:
    sent = incidents("before", 300)
    collector = Collector()
    with subscribed(broker.address, "before", collector):
        with Outbox(tmp_path / "outbox.db", 50_000_000, CLOCK) as outbox:
            outbox.put_incident(sent[0])
        with publishing(broker.address, "before", tmp_path) as (outbox, publisher):
            for one in sent[1:]:
                outbox.put_incident(one)
                publisher.wake()
            payloads = collector.wait_for(300)
            wait_until(lambda: publisher.status().pending == 0, "every acknowledgement")
            wait_until(lambda: outbox.stats().count == 0, "the outbox to settle")

    assert [json.loads(payload)["id"] for payload in payloads] == [one.message_id for one in sent]
    assert len(collector.payloads()) == 300
    first = collector.deliveries[[d.topic.count("/incident/") for d in collector.deliveries].index(1)]
    assert decode_incident(first.topic, first.payload, first.content_type) == sent[0]


def test_evidence_arrives_whole(broker: BrokerControl, tmp_path: Path) -> None:
    jpeg = JPEG + os.urandom(700_000)
    one = incident(site=SitePath(district="pictures"), evidence=(evidence(jpeg),))
    collector = Collector()
    with (
        subscribed(broker.address, "pictures", collector, channels=[Channel.EVIDENCE]),
        publishing(broker.address, "pictures", tmp_path) as (outbox, publisher),
    ):
        outbox.put_incident(one, [jpeg])
        publisher.wake()
        collector.wait_for(1, "/evidence/")

    received = decode_evidence(collector.deliveries[0].topic, collector.deliveries[0].payload)
    assert (received.incident, received.sha256) == (one.id, one.evidence[0].sha256)


@pytest.mark.parametrize("recorder", ["online", "offline"])
def test_a_broker_killed_in_the_middle_loses_nothing(
    own_mosquitto: BrokerControl, tmp_path: Path, recorder: str
) -> None:
    sent = incidents("kill", 500)
    collector = Collector()
    address = own_mosquitto.address

    def send() -> None:
        with publishing(address, "kill", tmp_path) as (outbox, publisher):
            for one in sent[:250]:
                outbox.put_incident(one)
                publisher.wake()
            wait_until(lambda: publisher.status().published >= 100, "the first hundred")
            own_mosquitto.kill()
            wait_until(lambda: publisher.status().link.state is LinkState.LOST, "the publisher to notice")
            for one in sent[250:]:
                outbox.put_incident(one)
                publisher.wake()
            own_mosquitto.start()
            wait_until(lambda: publisher.status().pending == 0, "every acknowledgement")
            assert publisher.status().reconnects == 1

    if recorder == "online":
        with subscribed(address, "kill", collector, channels=[Channel.INCIDENT]):
            send()
            payloads = collector.wait_for(500)
    else:
        with subscribed(address, "kill", collector, channels=[Channel.INCIDENT]):
            pass
        send()
        with subscribed(address, "kill", collector, channels=[Channel.INCIDENT]):
            payloads = collector.wait_for(500)

    assert order_kept(payloads, sent)


_WORKER = """
import sys
from pathlib import Path
from gridwatch.bus import BrokerAddress, Outbox, Publisher
from gridwatch.domain import SitePath, SystemClock
from tests.integration.bus.test_delivery import incidents
folder, host, port, username = sys.argv[1:]
clock = SystemClock()
outbox = Outbox(Path(folder) / "outbox.db", 50_000_000, clock)
outbox.open()
address = BrokerAddress(host=host, port=int(port), username=username, password=sys.stdin.readline().strip())
publisher = Publisher(outbox, address, "pub-worker", "n1", SitePath(district="worker"), clock)
publisher.start()
for number, one in enumerate(incidents("worker", 10_000)):
    outbox.put_incident(one)
    publisher.wake()
    print(number, flush=True)
"""


def test_a_killed_worker_leaves_its_will_and_its_outbox_to_the_next(mosquitto: BrokerControl, tmp_path: Path) -> None:
    address = mosquitto.address
    collector = Collector()
    command = [sys.executable, "-c", _WORKER, str(tmp_path), address.host, str(address.port), str(address.username)]
    with subscribed(address, "worker", collector):
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert worker.stdin is not None
        assert worker.stdout is not None
        with worker.stdin, worker.stdout:
            worker.stdin.write(f"{address.password}\n")
            worker.stdin.flush()
            appended = -1
            for line in worker.stdout:
                # Logs go there too.
                appended = int(line) if line.strip().isdigit() else appended
                if appended == 200:
                    os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        wait_until(lambda: any(b'"lost"' in one for one in collector.payloads("/node/")), "the last will")

        with publishing(address, "worker", tmp_path) as (outbox, publisher):
            wait_until(lambda: publisher.status().published > 0 and publisher.status().pending == 0, "the rest")
            assert outbox.stats().set_aside == 0
        payloads = collector.wait_for(appended + 1)

    assert order_kept(payloads, incidents("worker", len(payloads)))
    assert len(payloads) in (appended + 1, appended + 2)


def test_a_subscriber_that_was_away_gets_the_backlog(mosquitto: BrokerControl, tmp_path: Path) -> None:
    sent = incidents("away", 400)
    collector = Collector()
    with subscribed(mosquitto.address, "away", collector):
        pass
    with publishing(mosquitto.address, "away", tmp_path) as (outbox, publisher):
        for one in sent:
            outbox.put_incident(one)
        publisher.wake()
        wait_until(lambda: publisher.status().pending == 0, "every acknowledgement")
    with subscribed(mosquitto.address, "away", collector):
        payloads = collector.wait_for(400)

    assert order_kept(payloads, sent)
    assert len(collector.payloads()) == 400


def test_what_was_not_acknowledged_comes_again(mosquitto: BrokerControl, tmp_path: Path) -> None:
    sent = incidents("again", 20, cameras=1)
    forgetful = Collector(acknowledge=False)
    with (
        subscribed(mosquitto.address, "again", forgetful, channels=[Channel.INCIDENT]),
        publishing(mosquitto.address, "again", tmp_path) as (outbox, publisher),
    ):
        for one in sent:
            outbox.put_incident(one)
        publisher.wake()
        forgetful.wait_for(20)
        for index in (2, 1, 7, 0):
            forgetful.deliveries[index].ack()

    # Acknowledged out of order, told in order: 0, 1, 2 are done, and 7 waits for 3 to 6.
    careful = Collector()
    with subscribed(mosquitto.address, "again", careful, channels=[Channel.INCIDENT]):
        careful.wait_for(17)
        for stale in forgetful.deliveries:
            stale.ack()
    assert careful.payloads() == forgetful.payloads()[3:]

    marker = incident(20, site=SitePath(district="again"))
    last = encode_incident(marker).payload
    with publishing(mosquitto.address, "again", tmp_path) as (outbox, publisher):
        outbox.put_incident(marker)
        publisher.wake()

        def only_the_marker_comes() -> bool:
            """A new connection cuts off acknowledgements the broker has not read yet; those messages come once more."""
            rest = Collector(acknowledge=False)

            def acknowledge_all_but_the_marker(delivery: Delivery) -> None:
                rest(delivery)
                if delivery.payload != last:
                    delivery.ack()

            with subscribed(mosquitto.address, "again", acknowledge_all_but_the_marker, channels=[Channel.INCIDENT]):
                wait_until(lambda: last in rest.payloads(), "the marker")
            return rest.payloads() == [last]

        wait_until(only_the_marker_comes, "the broker to forget what was acknowledged")


def test_acknowledging_from_other_threads_keeps_the_flow_going(broker: BrokerControl, tmp_path: Path) -> None:
    """More than the receive maximum, so the broker waits for acknowledgements; rumqttd hangs up on disorder."""
    sent = incidents("threads", 600)
    waiting: list[Delivery] = []
    collector = Collector(acknowledge=False)

    def deliver(delivery: Delivery) -> None:
        collector(delivery)
        waiting.append(delivery)

    with (
        subscribed(broker.address, "threads", deliver, channels=[Channel.INCIDENT]) as subscriber,
        publishing(broker.address, "threads", tmp_path) as (outbox, publisher),
    ):
        outbox.append([encode_incident(one) for one in sent])
        publisher.wake()

        def acknowledge_backwards() -> bool:
            while waiting:
                waiting.pop().ack()
            return len(set(collector.payloads())) >= 600

        wait_until(acknowledge_backwards, "all of them")
        assert subscriber.status.state is LinkState.CONNECTED
        assert publisher.status().reconnects == 0

    assert len(collector.payloads()) == 600


def test_a_taker_that_raises_gets_the_message_again(mosquitto: BrokerControl, tmp_path: Path) -> None:
    collector = Collector()
    failures = iter([True])

    def deliver(delivery: Delivery) -> None:
        if next(failures, False):
            raise RuntimeError("the taker broke")
        collector(delivery)

    with (
        subscribed(mosquitto.address, "raises", deliver, channels=[Channel.INCIDENT]) as subscriber,
        publishing(mosquitto.address, "raises", tmp_path) as (outbox, publisher),
    ):
        for one in incidents("raises", 5, cameras=1):
            outbox.put_incident(one)
        publisher.wake()
        collector.wait_for(5)
        assert subscriber.failed == 1


def test_what_follows_a_failed_delivery_does_not_overtake_it(mosquitto: BrokerControl, tmp_path: Path) -> None:
    sent = incidents("overtake", 150, cameras=1)
    numbers = iter(range(1000))
    # One that acknowledges would have the broken connection noticed earlier, by writing.
    collector = Collector(acknowledge=False)

    def deliver(delivery: Delivery) -> None:
        if next(numbers) == 10:
            raise RuntimeError("no room for this one, but for the next")
        collector(delivery)

    with subscribed(mosquitto.address, "overtake", Collector(), channels=[Channel.INCIDENT]):
        pass  # the session is there now, and the broker keeps what comes
    with publishing(mosquitto.address, "overtake", tmp_path) as (outbox, publisher):
        for one in sent:
            outbox.put_incident(one)
        publisher.wake()
        wait_until(lambda: publisher.status().pending == 0, "every acknowledgement")
    with subscribed(mosquitto.address, "overtake", deliver, channels=[Channel.INCIDENT]) as subscriber:
        payloads = collector.wait_for(150)
        assert subscriber.failed == 1
    assert order_kept(payloads, sent)


def test_a_viewer_without_a_session_sees_only_what_happens_while_it_looks(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    viewer = Collector()
    with subscribed(mosquitto.address, "viewer", viewer, persistent=False):
        pass
    with (
        subscribed(mosquitto.address, "viewer", Collector(), client_id="rec-viewer"),
        publishing(mosquitto.address, "viewer", tmp_path) as (outbox, publisher),
    ):
        missed, seen = incidents("viewer", 2)
        outbox.put_incident(missed)
        publisher.wake()
        wait_until(lambda: publisher.status().pending == 0, "the acknowledgement")
        with subscribed(mosquitto.address, "viewer", viewer, persistent=False):
            outbox.put_incident(seen)
            publisher.wake()
            payloads = viewer.wait_for(1)
    assert order_kept(payloads, [seen])


def test_an_incident_that_nobody_takes_stays_until_somebody_does(mosquitto: BrokerControl, tmp_path: Path) -> None:
    [early] = incidents("nobody", 1)
    with publishing(mosquitto.address, "nobody", tmp_path) as (outbox, publisher):
        outbox.put_incident(early)
        publisher.wake()
        wait_until(lambda: publisher.status().refused > 0, "the broker to say that nobody takes it")
        assert outbox.stats().count == 1
        recorder = Collector()
        with subscribed(mosquitto.address, "nobody", recorder):
            payloads = recorder.wait_for(1)
    assert order_kept(payloads, [early])


def test_a_weeks_backlog_is_drained_at_its_rate_with_what_happens_now_ahead_of_it(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    clock = FakeClock()
    sent = incidents("week", 400)
    site = sent[0].site
    collector = Collector()
    with (
        subscribed(mosquitto.address, "week", collector, channels=[Channel.INCIDENT]),
        Outbox(tmp_path / "outbox.db", 50_000_000, clock) as outbox,
    ):
        outbox.append([encode_incident(one) for one in sent])
        clock.advance(timedelta(days=7).total_seconds())
        publisher = Publisher(outbox, mosquitto.address, "pub-week", "n1", site, clock, drain_rate=100)
        publisher.start()
        try:
            for tenths in range(12):
                # What has come is exact: the clock stands still meanwhile.
                collector.wait_for(10 * (tenths + 1))
                assert len(collector.payloads()) == 10 * (tenths + 1)
                clock.advance(0.101)
                publisher.wake()
            collector.wait_for(130)

            # A camera without a backlog is heard at once; one with a backlog once its own is sent, before all others'.
            fresh, behind = incident(500, site=site, camera="new"), incident(501, site=site, camera="cam-3")
            outbox.put_incident(fresh)
            outbox.put_incident(behind)
            publisher.wake()
            assert collector.wait_for(131)[130] == encode_incident(fresh).payload
            mine = [encode_incident(one).payload for one in (*sent[3::5], behind)]

            def caught_up() -> bool:
                clock.advance(0.101)
                publisher.wake()
                return mine[-1] in collector.payloads()

            wait_until(caught_up, "the camera to have caught up")
            assert [one for one in collector.payloads() if one in mine] == mine
            assert len(collector.payloads()) < 250

            wait_until(lambda: caught_up() and len(collector.payloads()) == 402, "the rest")
        finally:
            closing = threading.Thread(target=publisher.close, args=(5,))
            closing.start()
            while closing.is_alive():
                clock.advance(1)
                publisher.wake()
                closing.join(0.05)
    assert order_kept(collector.payloads(), [*sent, fresh, behind])


def test_wrong_credentials_are_told_and_do_not_lose_anything(mosquitto: BrokerControl, tmp_path: Path) -> None:
    wrong = replace(mosquitto.address, password="wrong-secret")
    subscriber = Subscriber(wrong, "rec-wrong", ["gridwatch/#"], Collector(), True, CLOCK)
    subscriber.start()
    with Outbox(tmp_path / "outbox.db", 50_000_000, CLOCK) as outbox:
        publisher = Publisher(outbox, wrong, "pub-wrong", "n1", SitePath(district="wrong"), CLOCK)
        publisher.start()
        outbox.put_incident(incident())
        publisher.wake()
        links: tuple[Callable[[], LinkStatus], ...] = (lambda: subscriber.status, lambda: publisher.status().link)
        wait_until(lambda: all(link().state is LinkState.REFUSED for link in links), "the refusals")
        for link in links:
            assert "Not authorized" in link().reason
            assert "wrong-secret" not in link().reason
        publisher.close(5)
        subscriber.close(5)
        assert outbox.stats().count == 1


def test_no_broker_at_all_is_told(tmp_path: Path) -> None:
    nowhere = BrokerAddress(host="127.0.0.1", port=1)
    with publishing(nowhere, "nowhere", tmp_path) as (_, publisher):
        wait_until(lambda: publisher.status().link.state is LinkState.LOST, "the reason")
        assert publisher.status().link.reason == "cannot reach mqtt://127.0.0.1:1: Connection refused"
