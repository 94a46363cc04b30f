"""`gridwatch discover` as a person runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gridwatch.rig import OnvifStyle, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}


def gridwatch(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gridwatch", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        env=ENVIRONMENT | environment,
    )  # fmt: skip


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    path.write_text(
        yaml.safe_dump([{"username": "admin", "password": "wrong-one"}, {"username": USERNAME, "password": "${CAMS}"}])
    )
    return path


def where(url: str) -> str:
    return url.removeprefix("http://").partition("/")[0]


def test_what_is_found_is_shown_and_written_so_that_the_deployment_takes_it(
    rig: MakeRig, tiny_clip: Path, users: Path, tmp_path: Path
) -> None:
    running = rig(
        *(
            VirtualCamera(
                id=style, clip=tiny_clip, username=USERNAME, password=PASSWORD, onvif_style=style,
                clock_skew_seconds=90, told_host="192.168.1.64",
            )
            for style in OnvifStyle
        )
    )  # fmt: skip
    out = tmp_path / "cameras.yaml"
    addresses = [part for style in OnvifStyle for part in ("--address", where(running.onvif_url(style)))]

    done = gridwatch(
        "discover", *addresses, "--credentials", users, "--out", out, "--site", "harbour/north", CAMS=PASSWORD
    )

    assert done.returncode == 0, done.stderr
    for part in (
        *OnvifStyle,
        "virtual camera",
        "→ main: H264 320x180, 10 a second",
        "device events media2",
        "3 described",
    ):
        assert part in done.stdout + done.stderr
    assert len(re.findall(r"\+(?:89\.[4-9]|90\.[0-6]) s", done.stdout)) == 3  # told in whole seconds
    written = out.read_text(encoding="utf-8")
    for text in (done.stdout, done.stderr, written):
        assert PASSWORD not in text
        assert "wrong-one" not in text

    deployment = {
        "version": 1,
        "district": {"id": "harbour", "name": "H", "substations": [{"id": "north", "name": "N"}]},
    }
    path = tmp_path / "deployment.yaml"
    path.write_text(yaml.safe_dump(deployment) + written, encoding="utf-8")
    checked = gridwatch("check-config", "--config", path, GRIDWATCH_CAMERA_PASSWORD=PASSWORD)
    assert checked.returncode == 0, checked.stderr
    assert "2 sites, 3 cameras" in checked.stdout


def test_without_credentials_the_cameras_that_want_some_are_listed(rig: MakeRig) -> None:
    done = gridwatch("discover", "--address", where(rig().onvif_url("cam1")))
    assert done.returncode == 1
    assert "asks for a user name and password" in done.stdout
    assert "0 described, 1 not." in done.stderr


def test_a_range_and_a_list_are_looked_through(rig: MakeRig, tiny_clip: Path, tmp_path: Path) -> None:
    url = rig(VirtualCamera(id="open", clip=tiny_clip)).onvif_url("open")
    port = where(url).partition(":")[2]
    listed = tmp_path / "list.txt"
    listed.write_text("127.0.0.0/30  # here\n")
    for source in (("--network", "127.0.0.0/30"), ("--file", listed)):
        done = gridwatch("discover", *source, "--port", port)
        assert done.returncode == 0, done.stderr
        assert f"127.0.0.1:{port}" in done.stdout
        assert "1 described, 0 not." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--network", "10.0.0.0/8"], "at most 4096 are probed at once"),
        (["--network", "ten"], "ADDRESS/PREFIX"),
        (["--address", "admin:hunter2@10.0.0.1"], "(hidden)"),
        (["--file", "none.txt"], "none.txt cannot be read"),
        (["--address", "127.0.0.1:9", "--out", "x.yaml"], "--out and --site go together"),
        (["--address", "127.0.0.1:9", "--out", "/no/such/x.yaml", "--site", "a"], "no folder /no/such"),
        (["--address", "127.0.0.1:9", "--out", "/etc/hostname", "--site", "a"], "exists"),
        (["--address", "127.0.0.1:9", "--out", "/tmp/never-written.yaml", "--site", "a//b"], "--site"),
        (["--address", "127.0.0.1:9", "--credentials", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(arguments: list[str], says: str) -> None:
    done = gridwatch("discover", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("- username: admin\n  pasword: hunter2\n", "users.yaml:2: [0].pasword"),
        ("- username: admin\n  password: 12345678\n", "users.yaml:2: [0].password: Input should be a valid string"),
        ("username: admin\n", "users.yaml:1: Input should be a valid list"),
        ("- username: admin\n  password: ${NOT_SET}\n", "NOT_SET is not set"),
    ],
)
def test_a_bad_credentials_file_is_refused_without_showing_what_it_holds(
    tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(content)
    done = gridwatch("discover", "--address", "127.0.0.1:9", "--credentials", path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "hunter2" not in done.stderr
    assert "12345678" not in done.stderr


def test_more_users_than_are_tried_are_said(tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(yaml.safe_dump([{"username": f"u{number}", "password": "x"} for number in range(5)]))
    done = gridwatch("discover", "--address", "127.0.0.1:9", "--credentials", path)
    assert "Only the first 3 of 5 users are tried" in done.stderr
