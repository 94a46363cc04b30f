"""What is wrong with a configuration, said so that somebody can mend it without reading the program."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridwatch.domain import UsageError

Location = tuple[str | int, ...]
"""Keys and list indices from the top of a document."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One mistake and where it is."""

    file: Path
    line: int
    """From 1; 0 when it concerns the file as a whole."""
    key: str
    """Dotted, with list indices in brackets: `cameras[2].rules[0].zone`; empty for the whole file."""
    message: str
    """What was found, what was expected and, where one is near, the key or name that was probably meant."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(UsageError):
    """A configuration that cannot be used; `problems` holds every mistake found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (str(p.file), p.line, p.key)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(location: Location) -> str:
    """`('cameras', 0, 'site')` as `cameras[0].site`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def nearest(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, or the list of them when none is near and they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 12 else ""
