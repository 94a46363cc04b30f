"""The published schema files, JSON Schema and AsyncAPI: `python -m gridwatch.bus.schemas docs/schemas`."""

import json
import sys
from pathlib import Path

from gridwatch import __version__
from gridwatch.bus.asyncapi import render_asyncapi
from gridwatch.bus.command_schema import ANSWER_SCHEMA, COMMAND_SCHEMA, AnswerEvent, CommandEvent
from gridwatch.bus.schema import (
    INCIDENT_SCHEMA,
    CameraStateData,
    ClipData,
    IncidentEvent,
    NodeStateData,
    ObservationData,
    OnvifEventData,
    PositionData,
    WireModel,
)

_PUBLISHED: dict[str, tuple[str, type[WireModel]]] = {
    "incident-1.json": (INCIDENT_SCHEMA, IncidentEvent),
    "camera-state-1.json": ("urn:gridwatch:schema:camera-state:1", CameraStateData),
    "clip-1.json": ("urn:gridwatch:schema:clip:1", ClipData),
    "observation-1.json": ("urn:gridwatch:schema:observation:1", ObservationData),
    "position-1.json": ("urn:gridwatch:schema:position:1", PositionData),
    "onvif-event-1.json": ("urn:gridwatch:schema:onvif-event:1", OnvifEventData),
    "node-state-1.json": ("urn:gridwatch:schema:node-state:1", NodeStateData),
    "command-1.json": (COMMAND_SCHEMA, CommandEvent),
    "answer-1.json": (ANSWER_SCHEMA, AnswerEvent),
}


def render_schemas() -> dict[str, str]:
    """Text of every published file by its name: JSON Schema 2020-12 and an AsyncAPI 3 document that refers to them.

    The same on every run.
    """
    texts = {"asyncapi.json": json.dumps(render_asyncapi(__version__), indent=2, ensure_ascii=False) + "\n"}
    for name, (urn, model) in _PUBLISHED.items():
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": urn}
        body = head | model.model_json_schema(mode="validation")
        texts[name] = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    return texts


def write_schemas(folder: Path) -> list[Path]:
    """Write every file into `folder`, made when missing; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in render_schemas().items():
        file = folder / name
        file.write_text(text, encoding="utf-8")
        files.append(file)
    return files


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
