from collections.abc import Callable
from pathlib import Path

import pytest

from gridwatch.config import ConfigError, load_settings

Deployment = Callable[..., Path]
NAMED = """\
detectors:
  moving: {kind: motion}
  yolo: {weights: yolo.onnx, weights_sha256: "%s", labels: yolo.txt}
  named: {weights: yolo11n.pt, weights_sha256: "%s"}
""" % ("0" * 64, "0" * 64)  # noqa: UP031 - braces are YAML's


def says(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ([], "default"),
        ([("  name: Harbour\n", "  name: Harbour\n  detector: yolo\n")], "yolo"),
        ([("  name: Harbour\n", "  name: Harbour\n  detector: yolo\n"),
          ("      name: East\n", "      name: East\n      detector: moving\n")], "moving"),
        ([("      name: East\n", "      name: East\n      detector: moving\n"),
          ("name: Gate 1}", "name: Gate 1, detector: yolo}")], "yolo"),
        ([("name: Gate 1}", "name: Gate 1, detector: yolo}"), ("    source:", "    detector: default\n    source:")],
         "default"),
    ],
)  # fmt: skip
def test_a_camera_takes_its_own_detector_else_that_of_the_nearest_site(
    deployment: Deployment, changes: list[tuple[str, str]], name: str
) -> None:
    loaded = load_settings(deployment(*changes, extra=NAMED)).deployment
    assert loaded.detector_name(loaded.camera("square")) == name


def test_a_sites_detector_is_not_that_of_its_neighbours(deployment: Deployment) -> None:
    path = deployment(("name: Gate 1}", "name: Gate 1, detector: yolo}\n        - {id: gate-2, name: Gate 2}"),
                      ("site: harbour/east/gate-1", "site: harbour/east/gate-2"), extra=NAMED)  # fmt: skip
    loaded = load_settings(path).deployment
    assert loaded.detector_name(loaded.camera("square")) == "default"
    path = deployment(
        ("name: Gate 1}", "name: Gate 1, detector: yolo}"), ("site: harbour/east/gate-1", "site: harbour"), extra=NAMED
    )
    loaded = load_settings(path).deployment
    assert loaded.detector_name(loaded.camera("square")) == "default"


def test_paths_lie_beside_the_file_and_a_name_that_is_none_stays_a_name(deployment: Deployment) -> None:
    path = deployment(extra=NAMED)
    loaded = load_settings(path).deployment
    assert loaded.detector_called("yolo").weights == path.parent / "yolo.onnx"
    assert loaded.detector_called("yolo").labels == path.parent / "yolo.txt"
    assert loaded.detector_called("named").weights == Path("yolo11n.pt")
    (path.parent / "yolo11n.pt").touch()
    assert load_settings(path).deployment.detector_called("named").weights == path.parent / "yolo11n.pt"


@pytest.mark.parametrize(("change", "key"), [
    (("    source:", "    detector: yol\n    source:"), "cameras[0].detector"),
    (("  name: Harbour\n", "  name: Harbour\n  detector: yol\n"), "district.detector"),
    (("      name: East\n", "      name: East\n      detector: yol\n"), "district.substations[0].detector"),
    (("name: Gate 1}", "name: Gate 1, detector: yol}"), "district.substations[0].checkpoints[0].detector"),
])  # fmt: skip
def test_a_detector_that_is_not_there_is_named_with_the_nearest(
    deployment: Deployment, change: tuple[str, str], key: str
) -> None:
    text = says(deployment(change, extra=NAMED))
    assert f": {key}: no detector 'yol'; did you mean 'yolo'?" in text


@pytest.mark.parametrize(("section", "what"), [
    ("detectors: {default: {kind: motion}}", "the detector 'default' is described by the section `detector`"),
    ("detector: {weights: a.onnx}", "weights and weights_sha256 go together"),
    ("detector: {labels: a.txt}", "labels are for one's own weights"),
    ("detector: {kind: motion, min_score: 0.5}", "kind: motion runs no model"),
    ("detector: {runtime: openvino, device: cuda}", "OpenVINO runs on the CPU here"),
    ("detectors: {x: {threads: 2}}", "unknown key"),
    ("detector: {device: gpu}", "'cpu', 'cuda' or 'tensorrt'"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(deployment: Deployment, section: str, what: str) -> None:
    assert what in says(deployment(extra=section))


def test_motion_alone_may_still_say_how_many_workers(deployment: Deployment) -> None:
    extra = "detector: {kind: motion, threads: 2, longest_wait_seconds: 5}"
    assert load_settings(deployment(extra=extra)).deployment.detector.threads == 2
