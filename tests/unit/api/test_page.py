"""The first page: whole, from its own files only, and with no way from text to markup."""

import re
from pathlib import Path

import httpx
import pytest

from gridwatch.api.app import STATIC

FILES = sorted(path for path in STATIC.iterdir() if path.is_file())
REFERENCE = re.compile(r"""(?:src|href)="(/[^"]*)"|from "(/[^"]*)\"""")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
async def test_a_file_asks_for_nothing_from_elsewhere_and_all_it_asks_for_is_served(
    client: httpx.AsyncClient, file: Path
) -> None:
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z]+\.|url\(", text)
    for one, other in REFERENCE.findall(text):
        answer = await client.get(one or other)
        assert answer.status_code == 200, (file.name, one or other)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_text_of_the_server_never_becomes_markup(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", text)


def test_the_page_runs_under_its_own_content_security_policy() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)


async def test_the_page_is_html_with_types_that_browsers_accept(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).headers["content-type"] == "text/html; charset=utf-8"
    assert "javascript" in (await client.get("/static/app.js")).headers["content-type"]
    assert "css" in (await client.get("/static/style.css")).headers["content-type"]


async def test_static_files_do_not_lead_out_of_their_folder(client: httpx.AsyncClient) -> None:
    assert (await client.get("/static/..%2fapp.py")).status_code == 404
    assert (await client.get("/static/%2e%2e/app.py")).status_code == 404
