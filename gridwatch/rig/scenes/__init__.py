"""Synthetic surveillance scenes with exact ground truth: rendered, deterministic, free of anybody's picture."""

from gridwatch.rig.scenes.builtin import builtin_scenes
from gridwatch.rig.scenes.catalogue import another, kit_scenes
from gridwatch.rig.scenes.document import SCHEMA, deployment_document, truth_document
from gridwatch.rig.scenes.model import Scene, Variant
from gridwatch.rig.scenes.render import encode, make_all, pictures, render, render_kit
from gridwatch.rig.scenes.truth import TrueBox, TrueFrame, TrueIncident, crossed, frames_of, incidents_of

__all__ = [
    "SCHEMA", "Scene", "TrueBox", "TrueFrame", "TrueIncident", "Variant", "another", "builtin_scenes", "crossed",
    "deployment_document", "encode", "frames_of", "incidents_of", "kit_scenes", "make_all", "pictures", "render",
    "render_kit", "truth_document",
]  # fmt: skip
