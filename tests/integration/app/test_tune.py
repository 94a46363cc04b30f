"""`gridwatch tune` as a person starts it, and its page in a real browser (Debian's Chromium)."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from playwright.async_api import Page, async_playwright, expect

from gridwatch.app.tuning import TuneOptions, run_tune
from gridwatch.config import load_settings
from gridwatch.domain import SystemClock, UsageError
from gridwatch.ingest import IngestError
from gridwatch.rig import Fault, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig

STREET = Path(__file__).parents[3] / "samples/streams/pets2009-s2l1-street.mp4"
ZONE = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]]
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip


def deployment(folder: Path, **changes: object) -> Path:
    """One camera on the street, with a zone, a line, and a name that would be markup."""
    camera: dict[str, object] = {
        "id": "street", "name": "</script><img src=x onerror=alert(1)> 街道", "site": "harbour",
        "position": [121.5, 31.2], "source": {"file": str(STREET)}, "zones": {"road": ZONE},
        "lines": {"gate": {"start": [0.7, 0.4], "end": [0.7, 0.9]}},
        "rules": [
            {"id": "on-road", "kind": "intrusion", "zone": "road", "dwell_seconds": 1},
            {"id": "crossing", "kind": "line_crossing", "line": "gate"},
            {"id": "never", "kind": "intrusion", "zone": "road", "classes": ["dog"]},
        ],
    }  # fmt: skip
    path = folder / "deployment.yaml"
    document = {"version": 1, "district": {"id": "harbour", "name": "H"}, "cameras": [camera | changes]}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def options(out: Path, **changes: object) -> TuneOptions:
    fields: dict[str, object] = {
        "source": "street", "camera": None, "begin": 0.0, "end": 3.0, "seconds": 2.0, "start": None, "out": out,
    }  # fmt: skip
    return TuneOptions(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the first three seconds, made by the command."""
    folder = tmp_path_factory.mktemp("tune")
    done = subprocess.run(
        [sys.executable, "-m", "gridwatch", "tune", str(STREET), "--config", str(deployment(folder)), "--from", "0.5",
         "--to", "3", "--out", str(folder / "out")],
        capture_output=True, text=True, timeout=90, check=False, env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "13 pictures" in done.stdout
    return folder / "out"


def of_page(page: Path) -> dict[str, object]:
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    document: dict[str, object] = json.loads(found[1])
    return document


@asynccontextmanager
async def opened(page_file: Path, width: int = 1280) -> AsyncIterator[Page]:
    """The page; afterwards nothing may have failed, nor anything been asked of any host."""
    program = shutil.which("chromium")
    assert program, "install chromium"
    asked: list[str] = []
    broken: list[str] = []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=program, args=list(QUIET))
        page = await browser.new_page(viewport={"width": width, "height": 800})
        page.on("request", lambda request: asked.append(request.url[:80]))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
        await page.goto(page_file.as_uri())
        yield page
        await browser.close()
    assert broken == []
    assert {url for url in asked if not url.startswith("data:")} == {page_file.as_uri()[:80]}


async def test_the_page_leads_to_an_incident_and_says_why_it_was_raised(tuned: Path) -> None:
    async with opened(tuned / "tune.html") as page:
        await page.locator("#incidents button", has_text="on-road").first.click()
        on_road = page.locator(".rule", has=page.get_by_role("heading", name="on-road"))
        await expect(on_road.locator(".said.raised").first).to_contain_text("intrusion")
        await expect(on_road.locator(".thought.chosen")).to_contain_text("incident open: in road")
        await page.click("#back")
        await expect(on_road.locator(".thought.chosen")).to_contain_text(re.compile(r"in road; dwell 0\.\d of 1 s"))
        await expect(page.locator("#chart svg")).to_be_visible()
        crossing = page.locator(".rule", has=page.get_by_role("heading", name="crossing"))
        await expect(crossing.locator(".thought").first).to_contain_text("of gate, last surely")
        never = page.locator(".rule", has=page.get_by_role("heading", name="never"))
        await never.locator(".more").click()
        await expect(never.locator(".thought").first).to_contain_text("person is not watched")


async def test_a_scrubber_keys_and_play_move_through_the_pictures(tuned: Path) -> None:
    async with opened(tuned / "tune.html") as page:
        await page.locator("#scrub").fill("0")
        await expect(page.locator("#stamp")).to_contain_text("0.6 s")
        await page.locator("h1").click()
        await page.keyboard.press("ArrowRight")
        await expect(page.locator("#stamp")).to_contain_text("0.8 s")
        first = await page.locator("#picture").get_attribute("src")
        await page.click("#play")
        await expect(page.locator("#stamp")).to_contain_text("3.0 s")
        await expect(page.locator("#play")).to_have_text("Play")
        assert await page.locator("#picture").get_attribute("src") != first
        await page.locator(".lane").nth(1).click(position={"x": 2, "y": 5})
        await expect(page.locator("#stamp")).to_contain_text("0.6 s")


async def test_layers_can_be_hidden_and_names_are_text(tuned: Path) -> None:
    async with opened(tuned / "tune.html") as page:
        await expect(page.locator("h1")).to_contain_text("<img src=x onerror=alert(1)> 街道")
        await expect(page.locator("#overlay polygon").first).to_be_attached()
        shapes = await page.locator("#overlay > *").count()
        await page.get_by_label("all detections").check()
        assert await page.locator("#overlay > *").count() > shapes
        for box in await page.locator("[data-layer]").all():
            await box.uncheck()
        await expect(page.locator("#overlay > *")).to_have_count(0)
        await expect(page.locator("#tags > *")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_page_fits_its_window(tuned: Path, width: int) -> None:
    async with opened(tuned / "tune.html", width) as page:
        await page.locator("#incidents button").first.click()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        cut = """() => [...document.querySelectorAll("button, #tags span")]
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.textContent)"""
        assert await page.evaluate(cut) == []


def test_the_pictures_are_drawn_on_and_the_page_holds_them_plain(tuned: Path) -> None:
    frames = of_page(tuned / "tune.html")["frames"]
    assert isinstance(frames, list)
    drawn = sorted((tuned / "frames").glob("*.jpg"))
    assert len(drawn) == len(frames) == 13
    picture = cv2.imread(str(drawn[5]))
    assert picture is not None
    assert picture.shape == (576, 768, 3)
    zone = (220, 170, 40)
    assert bool((np.abs(picture.astype(int) - zone).max(axis=2) < 40).any())


def test_tuning_gives_what_live_video_gives_only_the_stretch_asked_for(tmp_path: Path) -> None:
    settings = load_settings(deployment(tmp_path))
    assert run_tune(options(tmp_path / "all"), settings, SystemClock()) == 0
    assert run_tune(options(tmp_path / "late", begin=2.0), settings, SystemClock()) == 0
    every, late = (of_page(tmp_path / name / "tune.html")["frames"] for name in ("all", "late"))
    assert isinstance(every, list)
    assert isinstance(late, list)
    assert late == every[-len(late) :]
    assert late[0]["t"] >= 2.0


def test_a_live_camera_is_watched_for_as_long_as_asked(tmp_path: Path, rig: MakeRig) -> None:
    cameras = rig(VirtualCamera(id="street", clip=STREET, username=USERNAME, password=PASSWORD))
    url = cameras.rtsp_url("street").replace("://", f"://{USERNAME}:{PASSWORD.replace(' ', '%20')}@")
    settings = load_settings(deployment(tmp_path, source={"rtsp": url}))
    assert run_tune(options(tmp_path / "out", end=None, seconds=4.0), settings, SystemClock()) == 0
    page = of_page(tmp_path / "out" / "tune.html")
    frames = page["frames"]
    assert isinstance(frames, list)
    assert 2 <= len(frames) <= 21
    assert frames[-1]["t"] <= 4.0
    assert "watched live" in str(page["about"])
    cameras.set_fault("street", Fault.DROP)
    with pytest.raises(IngestError):
        run_tune(options(tmp_path / "out", end=None), settings, SystemClock())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"source": "nowhere"}, "neither a camera nor a file"),
        ({"begin": 5.0}, "must be after"),
        ({"begin": 500.0, "end": None}, "no picture from 500 s on"),
    ],
)
def test_what_cannot_be_tuned_is_said(changes: dict[str, object], says: str, tmp_path: Path) -> None:
    settings = load_settings(deployment(tmp_path, analysis_fps=1))
    with pytest.raises(UsageError, match=says):
        run_tune(options(tmp_path / "out", **changes), settings, SystemClock())
    assert not (tmp_path / "out").exists()


def test_a_camera_without_rules_has_nothing_to_tune(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rules"):
        run_tune(options(tmp_path / "out"), load_settings(deployment(tmp_path, rules=[])), SystemClock())
