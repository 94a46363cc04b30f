"""The owner of one camera's connection: runs it, watches it, and says why it ended."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

import structlog

from gridwatch.config.model import CameraConfig
from gridwatch.domain import CameraState, Clock, Frame
from gridwatch.ingest.activity import Attention
from gridwatch.ingest.clips import PacketRing
from gridwatch.ingest.rtsp import stalled
from gridwatch.ingest.session import Outlets, Session
from gridwatch.ingest.tally import ReaderTally

log = structlog.get_logger(__name__)

STALL_SECONDS = 10.0
"""Without a picture for this long a stream is given up."""
_FAREWELL_SECONDS = 0.5
"""How long a stopped reader waits for its connection to close; a silent one closes by itself soon after."""


class Reader:
    """Reads one camera. `run_once` belongs to one thread at a time; `stop` may be called from any.

    The connection lives in a thread of its own, since the library cannot be interrupted: so a reader can be stopped,
    and a stall noticed, while that thread still waits for the camera. It hands out nothing from then on, closes the
    connection and ends by itself as soon as the camera says something, at the latest after `stall_seconds` (while
    connecting, after the limits in `rtsp` and `onvif_client`). It is a daemon, so a process need not wait for it.
    """

    def __init__(  # noqa: PLR0913 - what it reads, where results go, and two ways back
        self,
        camera: CameraConfig,
        clock: Clock,
        emit: Callable[[Frame], None],
        on_state: Callable[[CameraState, str], None],
        tally: ReaderTally,
        *,
        stall_seconds: float = STALL_SECONDS,
        attention: Attention | None = None,
        ring: PacketRing | None = None,
    ) -> None:
        """`emit` and `on_state` (CONNECTING, then UP at the first picture) must not block; `tally` outlives readers.

        With an `attention`, which must hear of every frame analysed, an idle camera is hardly decoded (activity_gate).
        A `ring` gets every packet of video as it came.
        """
        self._camera = camera
        self._clock = clock
        self._outlets = Outlets(emit=emit, on_state=on_state, tally=tally, attention=attention, ring=ring)
        self._stall_seconds = stall_seconds
        self._stopped = threading.Event()
        self._wake = threading.Event()

    def run_once(self) -> None:
        """Connect and emit frames until the stream ends. Returns only after `stop`.

        Otherwise raises why there are no more frames: CameraRefused, CameraUnreachable, NoVideo, StreamStalled,
        StreamEnded or UnreadableFile. Call it again to reconnect; when, is the caller's business.
        """
        if self._stopped.is_set():
            return
        self._outlets.on_state(CameraState.CONNECTING, "")
        session = Session(self._camera, self._clock, self._outlets, self._stall_seconds)
        reading: Future[None] = Future()
        threading.Thread(
            target=self._read, args=(session, reading), name=f"read-{self._camera.id}", daemon=True
        ).start()
        try:
            self._watch(session, reading)
        finally:
            session.abandon()
            if wait({reading}, _FAREWELL_SECONDS).not_done:
                log.info("connection_still_closing", camera=self._camera.id)

    def stop(self) -> None:
        """End `run_once` now and for good; it returns within a second, and a frame may still come until it has."""
        self._stopped.set()
        self._wake.set()

    def _read(self, session: Session, reading: Future[None]) -> None:
        try:
            session.read()
        except BaseException as error:  # noqa: BLE001 - handed over whole to the thread that waits for it
            reading.set_exception(error)
        else:
            reading.set_result(None)
        finally:
            self._wake.set()

    def _watch(self, session: Session, reading: Future[None]) -> None:
        """Until the connection ends, stalls or is stopped. Raises what it raised."""
        while True:
            # Before looking: what happens after the look wakes the wait below.
            self._wake.clear()
            if self._stopped.is_set():
                return
            if reading.done():
                reading.result()
                return
            if session.silent_seconds() >= self._stall_seconds:
                raise stalled(self._camera.id, self._stall_seconds)
            self._wake.wait(min(1.0, self._stall_seconds / 4))
