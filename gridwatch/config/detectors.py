"""What looks at the pictures."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gridwatch.config.base import Fraction, Section

DEFAULT_DETECTOR = "default"
"""Name of the detector that the section `detector` describes: that of cameras whose sites name no other."""


class DetectorModel(Section):
    """Which weights run where, and from which score a detection counts."""

    kind: Literal["model", "motion"] = "model"
    """`motion` needs no weights: whatever moves is a detection of class `motion`, score 1."""
    weights: Path | None = None
    """None: the packaged model, its shape chosen by each picture's aspect. Else `.onnx`, `.xml` of OpenVINO, or what
    Ultralytics reads (`.pt`, `.engine`; a bare name that is no file is fetched by Ultralytics)."""
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Required with `weights`. Of an OpenVINO model: of `.xml` followed by `.bin`."""
    labels: Path | None = None
    """Class names, one a line, of weights that do not carry theirs."""
    runtime: Literal["auto", "onnxruntime", "openvino"] = "auto"
    """What runs ONNX weights; auto: OpenVINO when it is installed and the device is the CPU."""
    device: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    """Where; when that does not work here a warning says why and the CPU does it."""
    batch: Annotated[int, Field(ge=1, le=64)] = 8
    """Most pictures of one call, of all cameras together. Of effect on a GPU only: on a CPU nothing is gained."""
    min_score: Fraction = 0.1
    """Detections below it are dropped; those between it and a rule's `min_score` only continue a track."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.weights is None) != (self.weights_sha256 is None):
            raise ValueError("weights and weights_sha256 go together")
        if self.labels is not None and self.weights is None:
            raise ValueError("labels are for one's own weights; the packaged model has its own")
        if self.kind == "motion" and self.model_fields_set - {"kind", "threads", "longest_wait_seconds"}:
            raise ValueError("kind: motion runs no model, so nothing else can be set")
        if self.runtime == "openvino" and self.device != "cpu":
            raise ValueError("device is for onnxruntime and Ultralytics; OpenVINO runs on the CPU here")
        return self


class DetectorConfig(DetectorModel):
    """The default detector, and the workers that all detectors of a process share."""

    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Analysis workers of one ingest process, one inference thread each."""
    longest_wait_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """A frame that waited longer for a worker is dropped and counted."""
