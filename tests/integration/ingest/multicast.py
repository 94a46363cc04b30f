"""Cameras that announce themselves, in a network of their own, so that no test speaks to real devices.

`test_discovery_ws` runs it as root of a fresh network namespace: it gives the loopback interface an address that takes
multicast, starts cameras there, ours and others, and writes what a probe finds.
"""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

from wsdiscovery import QName
from wsdiscovery.publishing import ThreadedWSPublishing

from gridwatch.ingest.discovery_ws import GROUP, PORT, probe
from gridwatch.rig import Fault, Rig, RigThread, VirtualCamera
from gridwatch.rig.ws_discovery import probe_match

HERE = "10.9.0.1"


def set_up() -> None:
    for command in (
        "link set lo up", "link set lo multicast on", f"addr add {HERE}/24 dev lo", "route add 224.0.0.0/4 dev lo",
    ):  # fmt: skip
        subprocess.run(["ip", *command.split()], check=True)


def babble(stop: threading.Event, ready: threading.Event) -> None:
    """Answer each probe with garbage, and with a sequence that ends the WSDiscovery library's receiver."""
    good = probe_match("odd", f"http://{HERE}:7777/onvif/device_service", "urn:uuid:1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("", PORT))
        group = socket.inet_aton(GROUP) + socket.inet_aton(HERE)
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        listening.settimeout(0.1)
        ready.set()
        while not stop.is_set():
            try:
                data, sender = listening.recvfrom(65536)
            except TimeoutError:
                continue
            if b"discovery/Probe<" in data:
                for answer in (b"", b"\0\xff", b"<a", good.replace('InstanceId="1"', 'InstanceId="x"').encode()):
                    listening.sendto(answer, sender)


def found(seconds: float = 1.5) -> list[str]:
    return sorted(target.url or f"{target.host}:{target.port}" for target in asyncio.run(probe(seconds)))


def main(clip: Path) -> None:
    set_up()
    cameras = (VirtualCamera(id="near", clip=clip), VirtualCamera(id="nat", clip=clip, told_host="192.168.1.64"))
    stop, ready = threading.Event(), threading.Event()
    babbler = threading.Thread(target=babble, args=(stop, ready))
    babbler.start()
    ready.wait()
    foreign = ThreadedWSPublishing()
    foreign.start()
    foreign.publishService(
        types=[QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")],
        scopes=[], xAddrs=[f"http://{HERE}:8888/onvif/device_service"],
    )  # fmt: skip
    with RigThread(Rig(cameras, host=HERE, discoverable=True)) as rig:
        command = [sys.executable, "-m", "gridwatch", "discover"]
        shown = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        result = {"cameras": [rig.onvif_url("near"), rig.onvif_url("nat")], "shown": shown.stdout + shown.stderr}
        rig.set_fault("near", Fault.DROP)
        result["without_the_dead"] = found()
    foreign.stop()
    stop.set()
    babbler.join()
    sys.stdout.write("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
