"""Whether the video around an incident is kept, how much of it, and for how long."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from gridwatch.config.base import Section

ClipMode = Literal["off", "original"]
"""`original`: as the camera sent it, so not masked; it stays on the worker (docs/evidence.md)."""


class ClipsConfig(Section):
    """Clips of incidents. Off unless asked for: what is kept shows people as they are."""

    mode: ClipMode = "off"
    pre_seconds: Annotated[float, Field(ge=0, le=30)] = 5.0
    """Before the incident is raised, at least; a clip begins at a key picture."""
    post_seconds: Annotated[float, Field(ge=0, le=30)] = 5.0
    ring_max_bytes: Annotated[int, Field(ge=1_000_000)] = 8_388_608
    """Packets kept in memory for each camera, at most; twice as many more while a clip goes on."""
    keep: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(days=30)
    """Clips are deleted when they are older."""
    keep_max_bytes: Annotated[int, Field(ge=10_000_000)] = 20_000_000_000
    """Beyond it the oldest go first, before their time: that is counted and logged."""
