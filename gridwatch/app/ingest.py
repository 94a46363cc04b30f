"""The ingest role: cameras to incidents in the outbox, and from there to the broker."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import cv2
import structlog

from gridwatch.app.announcing import announcements
from gridwatch.app.camera_worker import CameraWorker
from gridwatch.app.clip_folder import ClipFolder
from gridwatch.app.clips import ClipKeeper
from gridwatch.app.commands.authority import Authority
from gridwatch.app.commands.memory import CommandMemory
from gridwatch.app.commands.mutes import Mutes
from gridwatch.app.commands.muting import muting
from gridwatch.app.commands.office import Action, Office, OfficeDesk
from gridwatch.app.commands.reloading import Reloader
from gridwatch.app.commands.seats import CameraSeat, Make, snapshotting
from gridwatch.app.commands.takeover import Takeover
from gridwatch.app.device_events import DeviceEvents
from gridwatch.app.health import HealthReporter, Watched
from gridwatch.app.locks import hold_lock
from gridwatch.app.observing import MinuteObserver, tells_of_minutes
from gridwatch.app.outbox_watch import OutboxJudge, OutboxWatch
from gridwatch.app.pace import Pace
from gridwatch.app.positions import Positions
from gridwatch.app.shutdown import ShutdownStack
from gridwatch.app.sink import IncidentSink, tells_of_clips
from gridwatch.app.still_open import StillOpen, sort_out
from gridwatch.app.watch import HealthWatch
from gridwatch.bus import BrokerAddress, CameraPath, OnvifMirror, Outbox, Publisher
from gridwatch.config import CameraConfig, Deployment
from gridwatch.detectors import Analysis, AnalysisPool, CameraAnalysis, Detector, load_detectors, people_detector
from gridwatch.domain import CameraState, Clock, CommandName, Frame, OpenIncident, SitePath, UsageError
from gridwatch.ingest import Attention, Reader, ReaderTally

log = structlog.get_logger(__name__)


class IngestRole:
    """Owns the readers, the analysis and the outbox of some cameras of a deployment. `start` once, `close` once."""

    def __init__(
        self,
        deployment: Deployment,
        cameras: Sequence[CameraConfig],
        node: str,
        clock: Clock,
        read: Callable[[], Deployment] | None = None,
    ) -> None:
        """`read` gives the deployment as it is configured by now, for `reload`; None: there is nothing to read."""
        self._read = read or (lambda: deployment)
        self._deployment = deployment
        self._cameras = tuple(cameras)
        self._node = node
        self._clock = clock
        self._stack = ShutdownStack(clock)
        self._pace = Pace(clock)

    def start(self) -> None:
        """Verify the weights, open the outbox, start every thread. Raises UsageError with nothing left running."""
        # Analysis workers are the parallelism; OpenCV's own threads would fight them.
        cv2.setNumThreads(1)
        detectors = load_detectors(self._deployment, self._cameras)
        try:
            publisher, outbox = self._start_publisher()
            self._start_cameras(detectors, outbox, publisher)
        except BaseException:
            self._stack.close()
            raise
        log.info("ingest_started", node=self._node, cameras=[camera.id for camera in self._cameras])

    def close(self) -> None:
        """Stop reading, finish what is queued, drain the outbox, disconnect."""
        self._stack.close()
        log.info("ingest_stopped", node=self._node)

    def _start_publisher(self) -> tuple[Publisher, Outbox]:
        services = self._deployment.services
        address = BrokerAddress.from_config(services.broker)
        services.data_dir.mkdir(parents=True, exist_ok=True)
        lock = hold_lock(services.data_dir / f"{self._node}.lock", f"another ingest runs as {self._node!r}")
        self._stack.push("lock", lambda _: lock.close(), timeout=1.0)
        limits = services.outbox
        outbox = Outbox(services.data_dir / f"{self._node}.outbox", limits.max_bytes, self._clock, limits.max_age)
        outbox.open()
        self._stack.push("outbox", lambda _: outbox.close(), timeout=1.0)
        district = SitePath(district=self._deployment.district.id)
        publisher = Publisher(
            outbox, address, client_id=f"gridwatch-{self._node}", node=self._node, site=district, clock=self._clock,
            drain_rate=limits.drain_rate,
        )  # fmt: skip
        publisher.start()
        self._stack.push("publisher", publisher.close, timeout=3.0)
        return publisher, outbox

    def _start_cameras(self, detectors: Mapping[str, Detector], outbox: Outbox, publisher: Publisher) -> None:
        address = BrokerAddress.from_config(self._deployment.services.broker)
        positions = Positions(self._cameras, address, self._node, self._clock)
        still_open = outbox.open_incidents()
        left = sort_out(still_open, self._cameras)
        analyses = self._analyses(detectors, positions, left)
        clips = self._clips(outbox, publisher)
        sink = self._sink(outbox, publisher, analyses, clips, still_open)
        memory = self._memory()
        mutes = Mutes(memory, self._clock)
        put = positions.placing(mutes.passing(sink.put), [one.latest for one in still_open])
        for orphan in left.orphans:
            sink.put(self._cameras[0].id, [orphan.cleared(self._clock.now())])
        attention = {camera.id: Attention() for camera in self._cameras if camera.gate}
        observer = MinuteObserver(publisher, tells_of_minutes(outbox, publisher))
        seats = {camera: CameraSeat(one, attention.get(camera)) for camera, one in analyses.items()}
        pool = self._pool(seats, sink, mutes, attention, observer)
        reporter = HealthReporter(observer, pool, self._clock, clips.tally, mutes.state)
        mutes.tell_of(reporter.wake)
        limits = [(camera, self._deployment.health_of(camera)) for camera in self._cameras]
        watch = HealthWatch(limits, put, left.health, self._clock)

        judge = OutboxJudge(self._cameras[0], self._deployment.services.outbox.max_age, left.health)
        keeper = OutboxWatch(outbox, sink, judge, self._cameras[0].id, publisher.put_outbox, self._clock)

        def on_change() -> None:
            reporter.wake()
            watch.wake()

        watched = self._watched(pool, sink, attention, clips, on_change)
        events = DeviceEvents(self._cameras, put, self._clock, positions.told, left.device)
        pool.start()
        self._stack.push("incidents held", sink.close, timeout=0.5)
        # Read upwards: the cameras stop, health says so, analysis ends. What is open stays so, for the next run.
        self._stack.push("positions", positions.close, timeout=1.0)
        self._stack.push("analysis", pool.close, timeout=1.5)
        self._stack.push("health", reporter.close, timeout=0.5)
        self._stack.push("cameras", lambda timeout: _close_all([one.worker for one in watched], timeout), timeout=2.0)
        self._stack.push("device events", events.close, timeout=2.5)
        self._stack.push("health incidents", watch.close, timeout=0.5)
        self._stack.push("outbox watch", keeper.close, timeout=0.5)
        positions.start()
        for one in watched:
            one.worker.start()
        events.start()
        reporter.start(watched)
        keeper.start()
        watch.start(watched)
        takeover = Takeover(self._deployment, detectors, positions, outbox, sink, mutes, self._clock)
        workers = {one.worker.camera.id: one.worker for one in watched}
        self._start_commands(memory, mutes, seats, workers, takeover.prepare)

    def _memory(self) -> CommandMemory:
        memory = CommandMemory(self._deployment.services.data_dir / f"{self._node}.commands", self._clock)
        memory.open()
        self._stack.push("command memory", lambda _: memory.close(), timeout=1.0)
        return memory

    def _start_commands(
        self,
        memory: CommandMemory,
        mutes: Mutes,
        seats: Mapping[str, CameraSeat],
        workers: Mapping[str, CameraWorker],
        prepare: Callable[[CameraConfig], Make],
    ) -> None:
        services = self._deployment.services
        cameras = {one.id: one for one in self._cameras}
        actions: dict[CommandName, Action] = {
            CommandName.MUTE: muting(cameras, mutes, self._clock),
            CommandName.SNAPSHOT: snapshotting(seats, workers, self._clock),
        }
        office = Office(
            node=self._node, authority=Authority(services.commands), memory=memory, actions=actions, clock=self._clock
        )
        actions[CommandName.RELOAD] = Reloader(
            self._deployment, cameras, self._read, seats, prepare, lambda config: office.obey(Authority(config))
        )
        paths = [CameraPath(site=one.site_path, camera=one.id) for one in self._cameras]
        desk = OfficeDesk(office, BrokerAddress.from_config(services.broker), self._node, paths, self._clock)
        desk.start()
        self._stack.push("commands", desk.close, timeout=1.0)

    def _analyses(
        self, detectors: Mapping[str, Detector], positions: Positions, left: StillOpen
    ) -> dict[str, CameraAnalysis]:
        """Of each camera, going on with what the last run left open."""
        return {
            camera.id: CameraAnalysis(
                camera, detectors[camera.id], positions.of(camera), self._deployment.health_of(camera),
                people_detector(detectors[camera.id]), left.analysis.get(camera.id, ()),
            )
            for camera in self._cameras
        }  # fmt: skip

    def _pool(
        self,
        seats: Mapping[str, CameraSeat],
        sink: IncidentSink,
        mutes: Mutes,
        attention: Mapping[str, Attention],
        observer: MinuteObserver,
    ) -> AnalysisPool:
        """Analyses frames for `sink` and `observer`, and tells the readers of which cameras nothing moves."""

        def on_analysis(frame: Frame, analysis: Analysis) -> None:
            sink.on_analysis(frame, mutes.let_analysis_through(frame.camera, analysis))
            observer.saw(frame, analysis)
            if frame.camera in attention:
                attention[frame.camera].looked(frame, idle=analysis.idle)

        workers = self._deployment.detector
        return AnalysisPool(seats, workers.threads, on_analysis, self._clock, longest_wait=workers.longest_wait_seconds)

    def _clips(self, outbox: Outbox, publisher: Publisher) -> ClipKeeper:
        """Of the cameras whose clips are kept. Started, and closed after whoever makes incidents."""
        deployment, settings = self._deployment, self._deployment.clips
        folder = ClipFolder(
            deployment.services.data_dir / "clips" / self._node, settings.keep, settings.keep_max_bytes, self._clock
        )
        cameras = [camera for camera in self._cameras if deployment.keeps_clips(camera)]
        clips = ClipKeeper(cameras, settings, folder, tells_of_clips(outbox, publisher, self._node), self._clock)
        if cameras:
            clips.start()
            self._stack.push("clips", clips.close, timeout=2.0)
        return clips

    def _sink(
        self,
        outbox: Outbox,
        publisher: Publisher,
        analyses: Mapping[str, CameraAnalysis],
        clips: ClipKeeper,
        still_open: Sequence[OpenIncident],
    ) -> IncidentSink:
        """Where incidents go, in ONVIF's JSON too where that is asked for; Home Assistant is told of the cameras."""
        mirrored = self._deployment.services.broker.onvif_mirror
        mirror = OnvifMirror.resumed(one.latest for one in still_open) if mirrored else None
        for message in announcements(self._deployment, self._cameras, self._node):
            publisher.put_state(message)
        return IncidentSink(outbox, publisher, analyses, clips, mirror)

    def _watched(
        self,
        pool: AnalysisPool,
        sink: IncidentSink,
        attention: Mapping[str, Attention],
        clips: ClipKeeper,
        on_change: Callable[[], None],
    ) -> list[Watched]:
        """A worker for each camera, not started, whose readers hand their frames to `pool`."""

        def watch(camera: CameraConfig) -> Watched:
            tally = ReaderTally()

            def make_reader(on_state: Callable[[CameraState, str], None]) -> Reader:
                return Reader(
                    camera, self._clock, pool.submit, on_state, tally, attention=attention.get(camera.id),
                    ring=clips.rings.get(camera.id),
                )  # fmt: skip

            worker = CameraWorker(camera, make_reader, self._clock, on_change)
            return Watched(worker=worker, reader=tally, analysis=sink.tallies[camera.id])

        return [watch(camera) for camera in self._cameras]


def _close_all(workers: Sequence[CameraWorker], timeout: float) -> None:
    """Tell all of them before waiting for any."""
    for worker in workers:
        worker.ask_to_stop()
    for worker in workers:
        worker.close(timeout)


def choose_cameras(deployment: Deployment, wanted: Sequence[str]) -> tuple[CameraConfig, ...]:
    """The cameras named, or all. Raises UsageError for one that is not in the deployment, or when there are none."""
    known = {camera.id: camera for camera in deployment.cameras}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"no camera {', '.join(unknown)} in the deployment; it has {', '.join(known) or 'none'}")
    chosen = tuple(known[name] for name in dict.fromkeys(wanted)) if wanted else deployment.cameras
    if not chosen:
        raise UsageError("the deployment has no cameras; add some under `cameras`")
    return chosen


def node_name(wanted: Sequence[str]) -> str:
    """A name that is the same each time the same cameras are ingested, since the outbox is found by it."""
    if not wanted:
        return "ingest"
    digest = hashlib.sha256("\n".join(sorted(set(wanted))).encode()).hexdigest()[:8]
    return f"ingest-{min(wanted)}-{digest}"
