"""Brokers as children: found, guarded, gone when we are."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gridwatch.app.embedded_broker import BrokerKind, BrokerStartFailed, start_broker
from gridwatch.bus import BrokerAddress, LinkState, Subscriber
from tests.fixtures.broker import BrokerControl
from tests.integration.bus.parts import CLOCK, Collector, wait_until

_PARENT = """
import sys, threading
from pathlib import Path
from gridwatch.app.embedded_broker import BrokerKind, start_broker
from gridwatch.domain import SystemClock
started = []
folder, kind = Path(sys.argv[1]), BrokerKind(sys.argv[2])
# From a thread that ends: the broker must outlive the thread and not the process.
thread = threading.Thread(target=lambda: started.append(start_broker(folder, SystemClock(), kind=kind)))
thread.start()
thread.join()
print("pid", started[0].pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("kind", list(BrokerKind))
def test_the_broker_dies_with_its_parent_however_that_dies(tmp_path: Path, kind: BrokerKind) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path), kind]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = next(int(line.split()[1]) for line in parent.stdout if line.startswith("pid "))
    child = psutil.Process(pid)
    assert child.is_running()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the broker to die", 5)


@pytest.mark.parametrize("kind", list(BrokerKind))
def test_closing_stops_it_and_closing_twice_is_fine(tmp_path: Path, kind: BrokerKind) -> None:
    running = start_broker(tmp_path, CLOCK, kind=kind)
    assert running.pid is not None
    running.close(5)
    running.close(5)
    assert not psutil.pid_exists(running.pid)


def test_nobody_gets_in_without_the_account(broker: BrokerControl) -> None:
    anonymous = BrokerAddress(host=broker.address.host, port=broker.address.port)
    subscriber = Subscriber(anonymous, "anonymous", ["#"], Collector(), False, CLOCK)
    subscriber.start()
    wait_until(lambda: subscriber.status.state is LinkState.REFUSED, "the refusal")
    subscriber.close(5)


def test_the_account_is_not_in_the_process_list_and_its_files_are_private(broker: BrokerControl) -> None:
    password = broker.address.password
    assert password
    process = psutil.Process(broker.pid)
    assert password not in " ".join(process.cmdline())
    assert "127.0.0.1" in {connection.laddr.ip for connection in process.net_connections() if connection.laddr}
    folder = Path(
        process.cmdline()[process.cmdline().index("-c" if "-c" in process.cmdline() else "--config") + 1]
    ).parent
    private = [
        file for file in folder.iterdir() if file.suffix in (".conf", ".passwd", ".toml") or file.name == "password"
    ]
    assert private
    assert all(file.stat().st_mode & 0o077 == 0 for file in private)


def test_a_taken_port_is_our_error(tmp_path: Path, mosquitto: BrokerControl) -> None:
    with pytest.raises(BrokerStartFailed, match=r"see broker\.log"):
        start_broker(tmp_path, CLOCK, port=mosquitto.address.port, kind=BrokerKind.MOSQUITTO)
