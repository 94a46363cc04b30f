"""Milliseconds a picture takes, step by step, on one thread; the table of docs/model.md.

python -m scripts.model.measure [FILE.onnx ...]
"""

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from gridwatch.config.model import DetectorConfig
from gridwatch.detectors.loading import load_detector
from gridwatch.detectors.network import Engine, Network, open_network
from gridwatch.detectors.onnxruntime_engine import open_onnxruntime
from gridwatch.detectors.openvino_engine import has_openvino, open_openvino
from gridwatch.detectors.postprocess import Letterbox, to_detections, to_tensor
from gridwatch.domain import Image
from scripts.model.agree import PICTURES, packaged_files

_MIN_SCORE = DetectorConfig().min_score


def _picture(size: tuple[int, int]) -> Image:
    image = np.asarray(cv2.imread(str(PICTURES / "pets-240.jpg")), np.uint8)
    return np.asarray(cv2.resize(image, (size[1], size[0])), np.uint8)


def _milliseconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1000


def _steps(engine: Engine, network: Network, image: Image) -> dict[str, Callable[[], object]]:
    box = Letterbox.fit((image.shape[0], image.shape[1]), network.size)
    tensor = to_tensor(image, box)
    output = engine.infer(tensor)[0]
    return {
        "letterbox": lambda: to_tensor(image, box),
        "inference": lambda: engine.infer(tensor),
        "boxes": lambda: to_detections(output, box, network.labels, _MIN_SCORE),
        "whole": lambda: network.detect([image], _MIN_SCORE),
    }


def _pictures_per_second(image: Image, threads: int, seconds: float = 3.0) -> float:
    """Of one detector shared by that many threads, as the workers of an ingest process share it."""
    detector = load_detector(DetectorConfig(), workers=threads)
    detector.detect([image])
    end = time.perf_counter() + seconds
    counts = [0] * threads

    def work(index: int) -> None:
        while time.perf_counter() < end:
            detector.detect([image])
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(i,), name=f"measure-{i}") for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="default: the packaged files", show_default=False)] = None,
    rounds: Annotated[int, typer.Option(help="each step once a round, so that all see the same load")] = 100,
) -> None:
    """Print median and fastest of each step, and the throughput of one and of two threads."""
    cv2.setNumThreads(1)
    for file in files or packaged_files().values():
        data = file.read_bytes()
        engines: dict[str, Engine] = {"onnxruntime": open_onnxruntime(data, file.name)}
        if has_openvino():
            engines["OpenVINO"] = open_openvino(data, file.name, workers=1)
        steps = {}
        for runtime, engine in engines.items():
            network = open_network(engine, file.name)
            image = _picture((1080, 1920) if network.size[0] < network.size[1] else (576, 768))
            steps |= {f"{name}, {runtime}": step for name, step in _steps(engine, network, image).items()}
        times = [{name: _milliseconds(step) for name, step in steps.items()} for _ in range(rounds)]
        for name in steps:
            column = [row[name] for row in times]
            typer.echo(f"{file.name} {name}: median {statistics.median(column):.2f} ms, fastest {min(column):.2f} ms")
    for size in ((576, 768), (1080, 1920)):
        for threads in (1, 2):
            rate = _pictures_per_second(_picture(size), threads)
            typer.echo(f"{size[1]}x{size[0]}, {threads} threads: {rate:.0f} pictures/s")


if __name__ == "__main__":
    typer.run(main)
