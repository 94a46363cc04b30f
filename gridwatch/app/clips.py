"""Clips of incidents: from the rings of packets to files on this worker, and word of them to everybody else.

    PacketRing --Cut--> queue --> thread "clips": remux, write, hash, tell

The video itself goes nowhere: nobody in it is masked. Others are told its hash, length and time.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from gridwatch.app.clip_folder import ClipFolder, ClipFolderError
from gridwatch.config import CameraConfig
from gridwatch.config.clips import ClipsConfig
from gridwatch.domain import Clock, Evidence, Incident, Phase
from gridwatch.ingest import ClipError, Cut, PacketRing, RingCounts, remux

log = structlog.get_logger(__name__)

_WAITING: Final = 16
"""Clips that wait to be written; each may hold three times `ring_max_bytes`."""
_TICK_SECONDS: Final = 1.0
_PRUNE_SECONDS: Final = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipTally:
    """What became of one camera's clips."""

    written: int = 0
    lost: int = 0
    """Not written: the disk refused, the queue was full, or no file could be made of the packets."""
    ring: RingCounts = field(default_factory=RingCounts)


class ClipKeeper:
    """Owns a ring for each camera and the thread that writes. `start` once, `close` once."""

    def __init__(
        self,
        cameras: Sequence[CameraConfig],
        settings: ClipsConfig,
        folder: ClipFolder,
        tell: Callable[[Sequence[Incident], Evidence, float], None],
        clock: Clock,
    ) -> None:
        """`tell` gets the incidents, what their clip is, and its seconds; on the thread that writes."""
        self._folder = folder
        self._tell = tell
        self._clock = clock
        self._cuts: queue.Queue[Cut] = queue.Queue(_WAITING)
        self._counting = threading.Lock()
        self._tallies = {camera.id: ClipTally() for camera in cameras}
        self.rings: Mapping[str, PacketRing] = {
            camera.id: PacketRing(settings, clock, self._put) for camera in cameras
        }  # fmt: skip
        """By camera id."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)

    def start(self) -> None:
        """Make the folder and start writing. Raises ClipFolderError."""
        self._folder.open()
        self._thread.start()

    def raised(self, incidents: Sequence[Incident], at: datetime | None) -> None:
        """Make a clip around `at`, when the picture that raised them arrived (None: now). Others are passed over."""
        for incident in incidents:
            if incident.phase is Phase.RAISED and incident.camera in self.rings:
                self.rings[incident.camera].raised(incident, at)

    def tally(self, camera: str) -> ClipTally:
        """Counts of one camera, zero for one without clips."""
        with self._counting:
            tally = self._tallies.get(camera, ClipTally())
        ring = self.rings.get(camera)
        return tally if ring is None else replace(tally, ring=ring.counts())

    def close(self, timeout: float) -> None:
        """Cut what goes on short, write it, and join. Call when the readers have ended."""
        for ring in self.rings.values():
            ring.close()
        self._stopping.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("clips_left_behind", waiting=self._cuts.qsize(), after_seconds=timeout)

    def _put(self, cut: Cut) -> None:
        try:
            self._cuts.put_nowait(cut)
        except queue.Full:
            self._count(cut, lost=1)
            log.error("clip_lost", camera=cut.incidents[0].camera, reason="the disk does not keep up")

    def _run(self) -> None:
        pruned_at = self._clock.monotonic()
        self._folder.prune()
        while True:
            try:
                cut = self._cuts.get(timeout=0.05 if self._stopping.is_set() else _TICK_SECONDS)
            except queue.Empty:
                if self._stopping.is_set():
                    return
            else:
                self._write(cut)
            for ring in self.rings.values():
                ring.finish_overdue()
            if self._clock.monotonic() - pruned_at >= _PRUNE_SECONDS:
                pruned_at = self._clock.monotonic()
                self._folder.prune()

    def _write(self, cut: Cut) -> None:
        camera = cut.incidents[0].camera
        try:
            content = remux(cut)
            sha256 = self._folder.put(content)
        except (ClipError, ClipFolderError) as error:
            self._count(cut, lost=1)
            log.error("clip_lost", camera=camera, reason=str(error))
            return
        self._count(cut, written=1)
        about = Evidence(
            sha256=sha256, media_type="video/mp4", bytes=len(content), width=cut.header.width,
            height=cut.header.height, captured_at=cut.began_at, masked=False,
        )  # fmt: skip
        log.info("clip_kept", camera=camera, incidents=len(cut.incidents), seconds=round(cut.seconds, 1), sha256=sha256)
        self._tell(cut.incidents, about, cut.seconds)

    def _count(self, cut: Cut, *, written: int = 0, lost: int = 0) -> None:
        camera = cut.incidents[0].camera
        with self._counting:
            tally = self._tallies[camera]
            self._tallies[camera] = replace(tally, written=tally.written + written, lost=tally.lost + lost)
