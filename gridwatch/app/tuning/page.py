"""The page: one HTML file with everything in it, that asks nothing of any network."""

import json
from collections.abc import Sequence
from importlib.resources import files

from gridwatch.app.tuning.look import Json


def render_page(camera: Json, frames: Sequence[Json], about: str, notice: str) -> str:
    """The HTML. `about` says what it is of; `notice` what is missing, empty when nothing is."""
    document = {"camera": camera, "frames": frames, "about": about, "notice": notice}
    # Names come from a configuration: nothing in them may end the script element that holds the JSON.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = _part("page.html").replace("/*STYLE*/", _part("page.css")).replace("/*SCRIPT*/", _part("page.js"))
    return page.replace("/*DATA*/", text)


def _part(name: str) -> str:
    return files("gridwatch.app.tuning").joinpath(name).read_text(encoding="utf-8")
