"""The first page in a real browser (Debian's Chromium), over a real server."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from playwright.async_api import Page, async_playwright, expect

from gridwatch.api import ApiServer
from tests.fixtures.api import GRID, PASSWORD, ApiWorld, make_case, make_evidence, make_incident

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip


@asynccontextmanager
async def opened(world: ApiWorld, *, width: int = 1280) -> AsyncIterator[Page]:
    """The page as a visitor finds it. Afterwards nothing may have been asked of another host, nor have failed."""
    program = shutil.which("chromium")
    assert program, "install chromium"
    server = ApiServer(world.app(), "127.0.0.1", 0)
    await server.start()
    ours = (server.url, f"blob:{server.url}")
    elsewhere: list[str] = []
    broken: list[str] = []
    try:
        async with async_playwright() as play:
            browser = await play.chromium.launch(executable_path=program, args=list(QUIET))
            page = await browser.new_page(viewport={"width": width, "height": 800})
            page.on("request", lambda r: None if r.url.startswith(ours) else elsewhere.append(r.url))
            page.on("pageerror", lambda error: broken.append(str(error)))
            await page.goto(server.url)
            yield page
            await browser.close()
    finally:
        await server.close()
    assert elsewhere == []
    assert broken == []


async def log_in(page: Page, name: str) -> None:
    await page.fill("input[name=name]", name)
    await page.fill("input[name=password]", PASSWORD)
    await page.click("#login-form button[type=submit]")
    await expect(page.locator("#console")).to_be_visible()


async def test_a_wrong_password_is_said_and_lets_nobody_in(world: ApiWorld) -> None:
    async with opened(world) as page:
        await page.fill("input[name=name]", "operator")
        await page.fill("input[name=password]", "not the password")
        await page.click("#login-form button[type=submit]")
        await expect(page.locator("#login-form .error")).not_to_be_empty()
        await expect(page.locator("#console")).to_be_hidden()


async def test_an_operator_sees_cameras_cases_and_an_incident_as_it_is_committed(world: ApiWorld) -> None:
    case = make_case()
    world.store.case_records[case.id] = case
    async with opened(world) as page:
        await log_in(page, "operator")
        await expect(page.locator("#cameras tr")).to_have_count(3)
        await expect(page.locator("#cases tr")).to_have_count(1)
        await expect(page.locator("#feed tr")).to_have_count(0)
        world.store.append(make_incident(), grid=GRID)
        await expect(page.locator("#feed tr")).to_have_count(1)
        await expect(page.locator("#feed")).to_contain_text("区域入侵")


async def test_evidence_is_shown_after_a_reason_only_and_that_is_audited(world: ApiWorld) -> None:
    incident = make_incident()
    picture = bytes.fromhex(  # a GIF of one pixel: any picture a browser shows will do
        "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
    )
    sha256 = world.store.put_evidence(incident.id, picture)
    world.store.append(incident.with_evidence(make_evidence(sha256)), grid=GRID)
    async with opened(world) as page:
        await log_in(page, "operator")
        await page.locator("#feed button").first.click()
        await expect(page.locator("#evidence-dialog img")).to_have_count(0)
        assert not [entry for entry in world.store.audit_entries if entry.action.startswith("evidence")]
        await page.fill("#evidence-dialog input[name=reason]", "case 7, called by the duty officer")
        await page.click("#evidence-dialog button[type=submit]")
        await expect(page.locator("#evidence-dialog img")).to_have_count(1)
        [entry] = [entry for entry in world.store.audit_entries if entry.action.startswith("evidence")]
        assert (entry.account, entry.reason) == ("operator", "case 7, called by the duty officer")


async def test_a_clip_that_stays_with_its_worker_is_named_and_not_asked_for(world: ApiWorld) -> None:
    clip = replace(make_evidence("cd" * 32), media_type="video/mp4", masked=False)
    world.store.append(make_incident().with_evidence(clip), grid=GRID)
    async with opened(world) as page:
        await log_in(page, "operator")
        await page.locator("#feed button").first.click()
        await page.fill("#evidence-dialog input[name=reason]", "case 7")
        await page.click("#evidence-dialog button[type=submit]")
        await expect(page.locator("#evidence-dialog .clip")).to_contain_text("cd" * 32)
        await expect(page.locator("#evidence-dialog .error")).to_be_empty()


async def test_the_evidence_of_an_incident_stays_when_it_goes_on(world: ApiWorld) -> None:
    incident = make_incident()
    sha256 = world.store.put_evidence(incident.id, b"picture")
    async with opened(world) as page:
        await log_in(page, "operator")
        world.store.append(incident.with_evidence(make_evidence(sha256)), grid=GRID)
        await expect(page.locator("#feed")).to_contain_text("发生")
        world.store.append(make_incident(seq=1), grid=GRID)
        await expect(page.locator("#feed")).to_contain_text("持续")
        await expect(page.locator("#feed button")).to_have_count(1)


async def test_a_name_from_the_field_is_text_and_never_markup(world: ApiWorld) -> None:
    world.store.add_site("demo/north/gate", "<img src=x onerror=alert(1)>")
    async with opened(world) as page:
        await log_in(page, "operator")
        await expect(page.locator("#cameras")).to_contain_text("<img src=x onerror=alert(1)>")
        await expect(page.locator("#cameras img")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_page_fits_the_width_of_a_phone_and_of_a_desk(world: ApiWorld, width: int) -> None:
    world.store.append(make_incident(), grid=GRID)
    async with opened(world, width=width) as page:
        await log_in(page, "operator")
        await expect(page.locator("#feed tr")).to_have_count(1)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_logging_out_hides_everything(world: ApiWorld) -> None:
    async with opened(world) as page:
        await log_in(page, "operator")
        await page.click("#logout")
        await expect(page.locator("#login-form")).to_be_visible()
        await expect(page.locator("#console")).to_be_hidden()
