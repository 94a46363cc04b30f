"""Version 1 as it was published: example messages and schemas that nobody may change, and what compatible means.

A file of examples is one message or a list of them: topic, content type, whether it is retained, and payload, which is
JSON or, for pictures, `{"base64": ...}`.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / "data/messages/v1"
_TELLS_PEOPLE: Final = {"description", "title", "examples", "default"}
"""Keywords that no validator acts on."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A message as it was sent by version 1."""

    name: str
    topic: str
    content_type: str
    retain: bool
    said: Any
    """The payload, when it is JSON."""
    payload: bytes


def examples() -> list[Example]:
    """All of them."""
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        for number, one in enumerate(content if isinstance(content, list) else [content]):
            said = one["payload"]
            payload = base64.b64decode(said["base64"]) if "base64" in said else json.dumps(said).encode()
            found.append(
                Example(
                    name=f"{file.stem}-{number}", topic=one["topic"], content_type=one["content_type"],
                    retain=one.get("retain", False), said=said, payload=payload,
                )
            )  # fmt: skip
    return found


def schemas() -> dict[str, Any]:
    """The schemas by file name."""
    return {file.name: json.loads(file.read_text(encoding="utf-8")) for file in (FOLDER / "schemas").glob("*.json")}


def missing(old: Any, new: Any, place: str = "") -> list[str]:
    """Where `new` does not say what `old` says; what it says beyond that does not matter."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            problem for key, value in old.items()
            for problem in (missing(value, new[key], f"{place}.{key}") if key in new else [f"{place}.{key} is gone"])
        ]  # fmt: skip
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            problem for number, (one, other) in enumerate(zip(old, new, strict=True))
            for problem in missing(one, other, f"{place}.{number}")
        ]  # fmt: skip
    return [] if old == new and type(old) is type(new) else [f"{place} is {new!r} and was {old!r}"]


def broken(old: Any, new: Any, place: str = "$") -> list[str]:
    """What in JSON Schema `new` breaks readers or writers of `old`.

    Only this is compatible: a property more that is not required, a definition more, a value of an enumeration more,
    and other words for people.
    """
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{place} is {new!r} and was {old!r}"]
    problems = []
    inside = place.rpartition(".")[2] in ("properties", "$defs")
    for key in sorted((old.keys() | new.keys()) - (set() if inside else _TELLS_PEOPLE)):
        here = f"{place}.{key}"
        if key not in new:
            problems.append(f"{here} is gone")
        elif key not in old:
            problems += [] if inside else [f"{here} is new"]
        elif key == "required" and not inside:
            problems += [] if sorted(old[key]) == sorted(new[key]) else [f"{here} is {new[key]} and was {old[key]}"]
        elif key == "enum" and not inside:
            problems += [f"{here} has no {value!r} any more" for value in old[key] if value not in new[key]]
        else:
            problems += broken(old[key], new[key], here)
    return problems
