"""Synthetic surveillance scenes with exact ground truth: rendered, deterministic, free of anybody's picture."""

from gridwatch.rig.scenes.builtin import builtin_scenes
from gridwatch.rig.scenes.document import SCHEMA, truth_document
from gridwatch.rig.scenes.model import Scene
from gridwatch.rig.scenes.render import encode, make_all, pictures, render
from gridwatch.rig.scenes.truth import TrueBox, TrueFrame, TrueIncident, crossed, frames_of, incidents_of

__all__ = [
    "SCHEMA", "Scene", "TrueBox", "TrueFrame", "TrueIncident", "builtin_scenes", "crossed", "encode", "frames_of",
    "incidents_of", "make_all", "pictures", "render", "truth_document",
]  # fmt: skip
