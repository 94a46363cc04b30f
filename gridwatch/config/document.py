"""YAML and JSON files with the line of every value, so that an error can name it."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gridwatch.config.problems import ConfigError, Location, Problem, dotted

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed file: plain values, and the line each location stands on."""

    path: Path
    data: object
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """Line of `location`, or of the nearest value that encloses it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 0)

    def problem(self, location: Location, message: str) -> Problem:
        """A problem at `location`."""
        return Problem(file=self.path, line=self.line(location), key=dotted(location), message=message)


def read_document(path: Path, *, variables: bool) -> Document:
    """Read a YAML (or JSON) file; with `variables`, `${NAME}` in strings is taken from the environment.

    Raises ConfigError for a missing, unreadable or malformed file, a key given twice, or an unset variable.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise ConfigError([Problem(file=path, line=0, key="", message="no such file")]) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError([Problem(file=path, line=0, key="", message=f"cannot be read: {exc}")]) from exc
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 0
        problem = Problem(file=path, line=line, key="", message=f"is not valid YAML: {exc.problem or exc.context}")
        raise ConfigError([problem]) from exc
    except yaml.YAMLError as exc:
        raise ConfigError([Problem(file=path, line=0, key="", message=f"is not valid YAML: {exc}")]) from exc
    if root is None:
        raise ConfigError([Problem(file=path, line=0, key="", message="is empty")])
    builder = _Builder(path, variables=variables)
    data = builder.build(root, ())
    if builder.problems:
        raise ConfigError(builder.problems)
    return Document(path=path, data=data, lines=builder.lines)


def plain_message(error: ErrorDetails) -> str:
    """Pydantic's message without its technical beginning."""
    return "is required but not given" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")


def validation_problems(
    document: Document, error: ValidationError, explain: Callable[[ErrorDetails, Location], str]
) -> list[Problem]:
    """What pydantic found, at the lines it stands on, without the errors that only follow from another."""
    found = [(_in_document(one, document.data), one) for one in error.errors()]
    places = [place for place, _ in found]
    return [
        document.problem(place, explain(one, place))
        for place, one in found
        # pydantic counts only good items, so a list with one bad item is also reported as too short
        if not (one["type"] == "too_short" and any(len(p) > len(place) and p[: len(place)] == place for p in places))
    ]


def _in_document(error: ErrorDetails, data: object) -> Location:
    """Pydantic's location without the union tags it adds, which are not in the file."""
    location: list[str | int] = []
    for part in error["loc"]:
        children = dict(enumerate(data)) if isinstance(data, list) else data if isinstance(data, dict) else {}
        if part in children:
            data = children[part]
            location.append(part)
    return (*location, error["loc"][-1]) if error["type"] == "missing" else tuple(location)


class _Builder:
    """Turns YAML nodes into plain values while noting where they stood."""

    def __init__(self, path: Path, *, variables: bool) -> None:
        self._path = path
        self._variables = variables
        self._scalars = _Loader("")
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []

    def build(self, node: yaml.Node, location: Location) -> object:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*location, index)) for index, item in enumerate(node.value)]
        value: Any = self._scalars.construct_object(node)
        return self._expand(value, location) if isinstance(value, str) and self._variables else value

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*location, key)
            if key in result:
                line = key_node.start_mark.line + 1
                message = f"given twice, first on line {self.lines[here]}; keep one"
                self.problems.append(Problem(file=self._path, line=line, key=dotted(here), message=message))
                continue
            self.lines[here] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, here)
        return result

    def _expand(self, text: str, location: Location) -> str:
        def value_of(match: re.Match[str]) -> str:
            value = os.environ.get(match[1])
            if value is None:
                message = f"the environment variable {match[1]} is not set"
                self.problems.append(
                    Problem(file=self._path, line=self.lines[location], key=dotted(location), message=message)
                )
                return ""
            return value

        return _VARIABLE.sub(value_of, text)
