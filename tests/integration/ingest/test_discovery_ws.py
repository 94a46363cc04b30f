"""WS-Discovery with real multicast, in a network of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_UNSHARE = ["unshare", "-n"]


def unshare_works() -> bool:
    try:
        return subprocess.run([*_UNSHARE, "ip", "link"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def where(url: str) -> str:
    return url.removeprefix("http://").partition("/")[0]


needs_network = pytest.mark.skipif(
    not unshare_works(), reason="needs root, `unshare` and `ip`, for a network namespace"
)


@needs_network
def test_cameras_of_ours_and_of_others_are_found_among_babble(tiny_clip: Path) -> None:
    command = [*_UNSHARE, sys.executable, "-m", "tests.integration.ingest.multicast", str(tiny_clip)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.partition("RESULT ")[2])

    near, nat = result["cameras"]
    foreign, odd = "http://10.9.0.1:8888/onvif/device_service", "http://10.9.0.1:7777/onvif/device_service"
    assert result["without_the_dead"] == sorted([nat, foreign, odd])
    # The command without arguments asks by WS-Discovery, and then each where its answer came from.
    for says in (where(near), where(nat), "4 answered", "2 described, 2 not"):
        assert says in result["shown"]
    for says in ("10.9.0.1:7777: no answer at port 7777", "10.9.0.1:8888: no answer at port 8888"):
        assert says in result["shown"]


@needs_network
def test_without_a_network_it_is_said_that_none_can_be_asked() -> None:
    code = (
        "import asyncio\nfrom gridwatch.ingest.discovery_ws import probe\n"
        "from gridwatch.ingest.errors import BadTarget\n"
        "try: asyncio.run(probe(0.1))\nexcept BadTarget as error: print(error)"
    )
    done = subprocess.run([*_UNSHARE, sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "no network interface here" in done.stdout
