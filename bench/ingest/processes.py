"""Starts what is measured as processes of their own, and reads their CPU time and memory from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Self

import psutil

UP_SECONDS = 60.0


class Process:
    """A child and its own children. Linux only: it reads the CPU clocks of other processes."""

    def __init__(self, command: list[str]) -> None:
        """Start it; `Process` ends it when left as a context."""
        # BLAS threads spin after start-up and would be counted.
        environment: Mapping[str, str] = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._process = psutil.Process(self._popen.pid)

    @classmethod
    def subject(cls, mode: str, *urls: str) -> Self:
        """`bench.ingest.subject`."""
        return cls([sys.executable, "-m", "bench.ingest.subject", mode, *urls])

    @classmethod
    def floor(cls, url: str) -> Self:
        """FFmpeg pulling and decoding on one thread, and nothing else."""
        command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-rtsp_transport", "tcp", "-i", url]
        return cls([*command, "-f", "null", "-"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._popen.stdin is not None  # noqa: S101 - asked for
        with suppress(BrokenPipeError):
            self._popen.stdin.close()
        try:
            self._popen.wait(0.1 if self._popen.args[0] == "ffmpeg" else 10.0)  # type: ignore[index]
        except subprocess.TimeoutExpired:
            self._popen.terminate()
            self._popen.wait(10.0)

    def ask(self, line: str = "") -> None:
        """Send one line."""
        assert self._popen.stdin is not None  # noqa: S101 - asked for
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()

    def told(self, word: str) -> float:
        """Wait for the line that begins with `word`; the number in it, 0 without one. Raises RuntimeError."""
        assert self._popen.stdout is not None  # noqa: S101 - asked for
        for line in self._popen.stdout:
            first, _, rest = line.strip().partition(" ")
            if first == word:
                return float(rest or 0.0)
            if first == "failed":
                raise RuntimeError(rest)
        raise RuntimeError(f"the measured process ended without {word!r}")

    def cpu_seconds(self) -> float:
        """User and system time of it and its children so far, to the nanosecond (clock_getcpuclockid(3))."""
        return sum(time.clock_gettime(~one.pid << 3 | 2) for one in self._family())

    def memory(self) -> int:
        """Bytes that are its own (unique set size), its children's too."""
        return sum(int(one.memory_full_info().uss) for one in self._family())

    def threads(self) -> int:
        """Of it and its children."""
        return sum(one.num_threads() for one in self._family())

    def _family(self) -> Iterator[psutil.Process]:
        yield self._process
        yield from self._process.children(recursive=True)


def cpu_use(processes: Mapping[str, Process], seconds: float) -> dict[str, float]:
    """CPU-seconds of each per second, over the next `seconds`, all at once."""
    before = {name: (time.perf_counter(), one.cpu_seconds()) for name, one in processes.items()}
    time.sleep(seconds)
    used: dict[str, float] = {}
    for name, one in processes.items():
        began, cpu = before[name]
        used[name] = (one.cpu_seconds() - cpu) / (time.perf_counter() - began)
    return used
