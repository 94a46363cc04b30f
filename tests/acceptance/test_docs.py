"""What the pages say is there: links, files, commands and their options, make targets, and YAML that is taken."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main
import yaml
from pydantic import ValidationError

from gridwatch.app.cli import app
from gridwatch.config import CameraConfig, ConfigError, load_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")})
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OURS = re.compile(r"(?:gridwatch|tests|docs|samples|scripts|deploy|bench|\.ci)/[\w./*<>{},-]+")
TOPIC = re.compile(r"gridwatch/(command/|answer/)?v\d")
CAMERA = {"id": "c", "site": "d", "position": [0, 0], "source": {"rtsp": "rtsp://192.0.2.1/"}}


def problems(page: Path, text: str, folder: Path) -> list[str]:
    """Everything that `text`, which stands at `page`, has wrong; `folder` is for scratch."""
    prose = FENCE.sub("", text)
    blocks = FENCE.findall(text)
    code = [*SPAN.findall(prose), *(line for kind, body in blocks if kind in ("", "sh") for line in body.splitlines())]
    return [
        *_links(page, text),
        *(problem for span in SPAN.findall(prose) for problem in _paths(span)),
        *(problem for line in code for problem in (*_commands(line), *_targets(line), *_modules(line))),
        *(problem for kind, body in blocks if kind == "yaml" for problem in _yaml(body, folder)),
    ]


def _links(page: Path, text: str) -> Iterator[str]:
    for target in LINK.findall(SPAN.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = page if not path else (page.parent / path).resolve()
        if not there.exists():
            yield f"link to {target}"
        elif anchor and anchor not in _anchors(text if there == page else there.read_text(encoding="utf-8")):
            yield f"no heading for {target}"


def _anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _paths(span: str) -> Iterator[str]:
    """A span that is one path in the repository; NAME, <name> and * stand for any name."""
    if not OURS.fullmatch(span) or TOPIC.match(span):
        return
    pattern = re.sub(r"<[^>]*>|\b[A-Z][A-Z_]+\b(?!\.md)", "*", span)
    if not any(ROOT.glob(pattern.rstrip("/"))):
        yield f"file {span}"


def _commands(line: str) -> Iterator[str]:
    """`gridwatch COMMAND --option ...` names a command and its options."""
    match = re.match(r"(?:\.venv/bin/)?gridwatch (.*)", line.strip().split(" #", 1)[0])
    if match is None:
        return
    command: Any = typer.main.get_command(app)  # of the click that typer brings, whose classes have no public name
    for word in shlex.split(match[1]):
        if hasattr(command, "commands") and not word.startswith("-"):
            found = command.commands.get(word)
            if found is None:
                yield f"command {line.strip()}"
                return
            command = found
        elif word.startswith("-") and word.split("=")[0] not in {"--help", *_options(command)}:
            yield f"option {word} in {line.strip()}"


def _options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def _targets(line: str) -> Iterator[str]:
    match = re.match(r"make ([a-z][a-z-]*)", line.strip())
    targets = re.findall(r"^([a-z.-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    if match is not None and match[1] not in targets:
        yield f"make target {match[1]}"


def _modules(line: str) -> Iterator[str]:
    for module in re.findall(r"python3? -m ((?:gridwatch|scripts|bench|tests)[\w.]*)", line):
        path = ROOT / module.replace(".", "/")
        if not path.with_suffix(".py").is_file() and not (path / "__main__.py").is_file():
            yield f"module {module}"


def _yaml(body: str, folder: Path) -> Iterator[str]:
    """A whole deployment must pass what `check-config` checks; cameras and parts of one, all that one section can."""
    try:
        data = yaml.safe_load(body)
    except yaml.YAMLError as error:
        yield f"YAML: {error}"
        return
    if isinstance(data, list):
        return  # a file of logins
    if not isinstance(data, dict):
        yield f"YAML that is neither mapping nor list: {body[:40]!r}"
    elif {"version", "district"} <= data.keys():
        path = folder / "deployment.yaml"
        path.write_text(body, encoding="utf-8")
        try:
            load_settings(path)
        except ConfigError as error:
            yield f"deployment: {error}"
    else:
        cameras = data.get("cameras", [data] if data.keys() <= CameraConfig.model_fields.keys() else [])
        for camera in cameras:
            try:
                CameraConfig.model_validate(CAMERA | camera)
            except ValidationError as error:
                yield f"camera: {error}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path, tmp_path: Path) -> None:
    assert problems(page, page.read_text(encoding="utf-8"), tmp_path) == []


BAD = """
# A page
[gone](gone.md) and [no such part](README.md#nowhere), the file `gridwatch/domain/gone.py`, `samples/streams/*.avi`,
`gridwatch forget` and `gridwatch replay --backwards x`, `make coffee`, `python -m gridwatch.gone`.

```sh
gridwatch account remove wang -c gridwatch.yaml
```
```yaml
rules: [{id: a, kind: napping}]
```
```yaml
a: [
```
```yaml
version: 1
district: {id: d, name: D}
cameras: [{id: c, site: e, position: [0, 0], source: {rtsp: "rtsp://192.0.2.1/"}}]
```
"""
GOOD = """
# A page
[here](#a-page), [there](docs/rules.md), `samples/streams/NAME.mp4`, `gridwatch/domain/`, `make demo FOR=60`,
`gridwatch/v1/d/-/-/cam/state`, `gridwatch account add NAME --role operator --site d`,
`python -m gridwatch.bus.schemas docs/schemas`.

```yaml
version: 1
district: {id: d, name: D}
cameras: [{id: c, site: d, position: [0, 0], source: {rtsp: "rtsp://192.0.2.1/"}}]
```
"""


def test_the_checks_find_each_kind_of_mistake_and_nothing_else(tmp_path: Path) -> None:
    found = problems(ROOT / "README.md", BAD, tmp_path)
    assert [one.split("\n")[0][:60].split(":")[0] for one in found] == [
        "link to gone.md", "no heading for README.md#nowhere", "file gridwatch/domain/gone.py",
        "file samples/streams/*.avi", "command gridwatch forget",
        "option --backwards in gridwatch replay --backwards x", "make target coffee", "module gridwatch.gone",
        "command gridwatch account remove wang -c gridwatch.yaml",
        "camera", "YAML", "deployment",
    ]  # fmt: skip
    assert problems(ROOT / "README.md", GOOD, tmp_path) == []
