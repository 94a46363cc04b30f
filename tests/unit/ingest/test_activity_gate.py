from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from structlog.testing import capture_logs

from gridwatch.domain import Frame
from gridwatch.ingest import Attention, ReaderTally
from gridwatch.ingest.activity_gate import KEY_SECONDS, ActivityGate
from gridwatch.ingest.decoding import Arrival, Picture, VideoPacket
from gridwatch.ingest.sampling import FrameSampler
from tests.fixtures.quiet import Encoding, backdrop, encode, noisy, quiet_then_moving, with_square

FPS = 10
NOW = datetime(2026, 11, 1, tzinfo=UTC)
QUIET = 240
"""Pictures before anything moves in `clip`."""

ENCODINGS = {
    "h264": Encoding(gop=20),
    "h264, 1 s": Encoding(gop=10),
    "h264, 10 s": Encoding(gop=100),
    "h264, B": Encoding(gop=20, b_frames=2),
    "h264, B, 10 s": Encoding(gop=100, b_frames=3),
    "h265": Encoding(codec="libx265", gop=20),
    "h265, B, 10 s": Encoding(codec="libx265", gop=100, b_frames=3),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """By name of an encoding: 24 s of stillness, then 3 s in which a square crosses."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        path = folder / f"{name}.mp4"
        if not path.exists():
            encode(path, quiet_then_moving(backdrop(), QUIET, 30), FPS, ENCODINGS[name])
        return path

    return make


def nothing_after(seconds: float) -> Callable[[Picture], bool]:
    """An analysis that calls a camera idle from `seconds` on."""
    return lambda picture: picture.time >= seconds


@dataclass
class Run:
    """A gate fed with a clip, and an analysis that says at once whether each picture is idle (None: it does not)."""

    idle: Callable[[Picture], bool | None] = field(default_factory=lambda: nothing_after(4.0))
    kept_bytes: int = 8 * 1024 * 1024
    fps: float = 5
    gated: bool = True
    attention: Attention = field(default_factory=Attention)
    tally: ReaderTally = field(default_factory=ReaderTally)
    pictures: list[Picture] = field(default_factory=list)
    fed_at: list[float] = field(default_factory=list)
    """For each picture, PTS of the packet that had been fed when it came out."""
    dead: int = 0
    """Most packets in succession after which the gate was not alive."""
    longest: int = 0
    """Bytes kept at most."""
    wakes: list[str] = field(default_factory=list)

    def feed(self, path: Path, choose: Callable[[list[VideoPacket]], Iterable[VideoPacket]] = list) -> "Run":
        with av.open(str(path)) as container, capture_logs() as logs:
            stream = container.streams.video[0]
            attention = self.attention if self.gated else None
            gate = ActivityGate(stream, self.fps, self.tally, attention, "gate", kept_bytes=self.kept_bytes)
            silent = 0
            for packet in choose(list(container.demux(stream))):
                at = float((packet.pts or 0) * (packet.time_base or 0))
                for picture in gate.feed(Arrival(packet=packet, arrived_at=NOW + timedelta(seconds=at))):
                    self.pictures.append(picture)
                    self.fed_at.append(at)
                    self.say(picture)
                silent = 0 if gate.alive else silent + 1
                self.dead = max(self.dead, silent)
                self.longest = max(self.longest, gate._kept_bytes)
        self.wakes = [entry["why"] for entry in logs if entry["event"] == "camera_wakes"]
        return self

    def say(self, picture: Picture) -> None:
        verdict = self.idle(picture)
        if verdict is not None:
            self.looked(len(self.pictures) - 1, idle=verdict)

    def looked(self, index: int, *, idle: bool) -> None:
        frame = Frame(
            camera="gate", index=index, pts=0.0, captured_at=NOW, arrived_at=NOW, image=np.zeros((1, 1, 3), np.uint8)
        )
        self.attention.looked(frame, idle=idle)

    @property
    def times(self) -> list[float]:
        return [round(picture.time, 3) for picture in self.pictures]

    def from_picture(self, number: int) -> list[Picture]:
        return [one for one in self.pictures if one.time >= number / FPS - 0.001]


def plainly(path: Path, fps: float = 5) -> dict[float, np.ndarray]:
    """What is analysed when everything is decoded, by PyAV and nothing of ours but the sampler and the conversion."""
    from gridwatch.ingest.conversion import Converter

    sampler, converter = FrameSampler(fps), Converter()
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    start = frames[0].time
    shown = {round(frame.time - start, 3): frame for frame in frames}
    return {time: converter.bgr(frame) for time, frame in shown.items() if sampler.take(time)}


@pytest.mark.parametrize("name", list(ENCODINGS))
def test_an_idle_camera_is_hardly_decoded_and_what_wakes_it_is_not_lost(clip: Callable[[str], Path], name: str) -> None:
    path = clip(name)
    everything = plainly(path)
    run = Run().feed(path)
    tally = run.tally.snapshot()
    # Asleep, the only pictures are keyframes, and they say how much was left out.
    gaps = [b.time - a.time for a, b in pairwise(run.pictures) if b.time - a.time > 0.3]
    assert gaps
    assert [one.quiet for one in run.pictures if one.quiet] == pytest.approx(gaps)
    assert tally.passed_over > 60
    assert tally.wakes == 1
    # From before the motion on, every picture of the grid is there, and it is the same picture.
    awake = {round(one.time, 3): one.image for one in run.from_picture(QUIET)}
    expected = {time: image for time, image in everything.items() if time >= QUIET / FPS}
    assert awake.keys() == expected.keys()
    assert all(np.array_equal(awake[time], expected[time]) for time in expected)
    assert run.times == sorted(set(run.times))
    assert run.dead <= 3  # while the first pictures wait for their order


@pytest.mark.parametrize("name", list(ENCODINGS))
def test_awake_every_picture_of_the_grid_is_there_and_the_same(clip: Callable[[str], Path], name: str) -> None:
    expected = plainly(clip(name))
    run = Run(gated=False).feed(clip(name))
    assert run.times == list(expected)
    assert all(np.array_equal(one.image, expected[round(one.time, 3)]) for one in run.pictures)
    assert all(one.quiet == 0.0 for one in run.pictures)


def test_pictures_that_no_analysed_one_is_built_on_are_not_decoded(clip: Callable[[str], Path]) -> None:
    run = Run(gated=False).feed(clip("h264, 1 s"))
    tally = run.tally.snapshot()
    assert len(run.pictures) == 135
    # Two pictures a grid interval: of ten, the one before each keyframe is left out.
    assert tally.passed_over == 26
    assert tally.decoded == 270 - 26
    assert run.fed_at == pytest.approx(run.times)  # and none waits for another


def test_a_camera_that_analysis_finds_busy_never_sleeps(clip: Callable[[str], Path]) -> None:
    run = Run(idle=lambda _: False).feed(clip("h264"))
    assert run.times == list(plainly(clip("h264")))
    assert run.wakes == []


def test_sizes_wake_before_the_next_keyframe(clip: Callable[[str], Path]) -> None:
    run = Run().feed(clip("h264, 10 s"))
    assert run.wakes == ["sizes"]
    came = run.fed_at[run.times.index(QUIET / FPS)]
    assert came <= QUIET / FPS + 0.6  # the next keyframe is 6 s away


def hidden_in_noise(path: Path) -> Path:
    """A square appears at 24.5 s whose bytes are few beside those of the noise."""
    still = backdrop()

    def pictures() -> Iterable[np.ndarray]:
        yield from noisy(still, 245, sigma=6)
        yield from noisy(with_square(still, 200, size=16), 80, sigma=6, seed=2)

    return encode(path, pictures(), FPS, Encoding(gop=20, crf=14))


def test_what_sizes_do_not_show_the_next_keyframe_does_and_nothing_before_it_is_lost(tmp_path: Path) -> None:
    path = hidden_in_noise(tmp_path / "hidden.mp4")
    expected = [time for time in plainly(path) if time >= 24.5]
    run = Run(idle=lambda picture: 4.0 <= picture.time < 24.5).feed(path)
    assert run.wakes == ["picture"]
    assert [time for time in run.times if time >= 24.5] == expected
    first = run.times.index(expected[0])
    assert run.fed_at[first] - run.times[first] <= KEY_SECONDS + 2.0
    # Handed out late, they are dated by when they came.
    assert [(one.arrived_at - NOW).total_seconds() for one in run.from_picture(245)] == pytest.approx(expected)


def test_analysis_that_finds_something_in_a_keyframe_wakes_the_camera_from_there(clip: Callable[[str], Path]) -> None:
    found: list[float] = []

    def idle(picture: Picture) -> bool:
        if picture.quiet:
            found.append(picture.time)
        return picture.time >= 4.0 and not found

    run = Run(idle=idle).feed(clip("h264"))
    assert run.wakes == ["analysis"]
    assert [time for time in run.times if time >= found[0]] == [
        time for time in plainly(clip("h264")) if time >= found[0]
    ]


def test_without_word_from_analysis_nothing_is_let_go(clip: Callable[[str], Path]) -> None:
    def idle(picture: Picture) -> bool | None:
        return None if picture.quiet or picture.time > 8 else picture.time >= 4.0

    run = Run(idle=idle).feed(clip("h264"))
    keyframes = [one for one in run.pictures if one.quiet]
    assert len(keyframes) <= 1
    awake = [time for time in plainly(clip("h264")) if time > (keyframes[0].time if keyframes else 8.0)]
    assert run.times[-len(awake) :] == awake


def test_memory_is_bounded_by_decoding(clip: Callable[[str], Path]) -> None:
    run = Run(kept_bytes=4_000).feed(clip("h264, 10 s"))
    assert "long" in run.wakes
    assert run.longest < 4_000 + 20_000  # and one keyframe
    grid = plainly(clip("h264, 10 s"))
    assert set(run.times) <= set(grid)
    assert [time for time in run.times if time >= QUIET / FPS] == [time for time in grid if time >= QUIET / FPS]


def test_a_hole_in_the_stream_wakes_and_is_left_a_gap(clip: Callable[[str], Path]) -> None:
    def without_four_seconds(packets: list[VideoPacket]) -> list[VideoPacket]:
        return packets[:130] + packets[180:]  # 180 is a keyframe

    run = Run().feed(clip("h264"), without_four_seconds)
    assert run.wakes[0] == "hole"
    after = next(one for one in run.pictures if one.time >= 17.9)
    assert after.quiet == 0.0
    assert 12.8 in run.times  # up to the hole, everything


def test_a_damaged_keyframe_wakes_from_the_last_good_one(clip: Callable[[str], Path]) -> None:
    def damaged(packets: list[VideoPacket]) -> Iterable[VideoPacket]:
        for number, packet in enumerate(packets):
            if number == 140:  # the first keyframe looked at after KEY_SECONDS asleep
                packet.update(bytes(packet)[:200] + bytes(packet.size - 200))
            yield packet

    run = Run().feed(clip("h264"), damaged)
    assert run.wakes[0] == "damage"
    assert [time for time in run.times if 6.2 <= time < 14.0] == [
        time for time in plainly(clip("h264")) if 6.2 <= time < 14.0
    ]


def test_at_the_end_what_was_kept_is_handed_out(clip: Callable[[str], Path]) -> None:
    run = Run().feed(clip("h264"), lambda packets: [*packets[:125], packets[-1]])
    assert run.wakes == ["end"]
    assert run.times[-1] == pytest.approx(12.4)


def test_what_was_kept_goes_out_no_faster_than_analysis_takes_it(clip: Callable[[str], Path]) -> None:
    waiting: list[int] = []

    class Slow(Run):
        """Takes one frame for every two packets while behind."""

        def say(self, picture: Picture) -> None:
            if picture.time < 20:
                super().say(picture)
            else:
                waiting.append(len(self.pictures) - 1)

    run = Slow()
    most = 0

    def packets(all_of_them: list[VideoPacket]) -> Iterable[VideoPacket]:
        nonlocal most
        for number, packet in enumerate(all_of_them):
            most = max(most, len(waiting))
            if number % 2 and waiting:
                run.looked(waiting.pop(0), idle=False)
            if packet.size == 0:
                while waiting:
                    run.looked(waiting.pop(0), idle=False)
            yield packet

    run.feed(clip("h264, 10 s"), packets)
    assert 1 <= most <= 3
    assert [time for time in run.times if time >= 20] == [time for time in plainly(clip("h264, 10 s")) if time >= 20]


def test_a_camera_analysed_once_in_a_while_is_always_decoded(clip: Callable[[str], Path]) -> None:
    run = Run(fps=0.5).feed(clip("h264"))
    assert run.times == list(plainly(clip("h264"), 0.5))
    assert run.wakes == []


def test_a_stream_without_times_is_always_decoded(clip: Callable[[str], Path]) -> None:
    def untimed(packets: list[VideoPacket]) -> Iterable[VideoPacket]:
        for packet in packets:
            packet.pts = packet.dts = None
            yield packet

    run = Run().feed(clip("h264"), untimed)
    assert run.times == pytest.approx([i / 5 for i in range(135)])
    assert run.tally.snapshot().passed_over == 0


def test_time_goes_on_over_a_restart_of_the_cameras_clock(clip: Callable[[str], Path]) -> None:
    def restarted(packets: list[VideoPacket]) -> Iterable[VideoPacket]:
        for number, packet in enumerate(packets):
            if number >= 180 and packet.pts is not None and packet.time_base is not None:
                packet.pts -= round(Fraction(15) / packet.time_base)
                packet.dts = packet.pts
            yield packet

    run = Run().feed(clip("h264"), restarted)
    assert "hole" in run.wakes
    assert run.times == sorted(set(run.times))
    assert run.times[-1] == pytest.approx(26.8)


def test_of_motion_jpeg_only_what_is_analysed_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "m.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuvj420p"
        for picture in noisy(backdrop(), 60):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuvj420p"))
            )
        container.mux(stream.encode(None))
    run = Run().feed(path)
    assert run.times == [i / 5 for i in range(30)]
    assert run.tally.snapshot().decoded == 31  # and the last one of all
