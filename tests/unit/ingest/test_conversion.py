import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import ColorRange

from gridwatch.domain import Image
from gridwatch.ingest.conversion import MAX_WIDTH, Converter

RANDOM = np.random.default_rng(3)


def picture(width: int, height: int) -> av.VideoFrame:
    """Patches of 16 pixels of any colour, as 4:2:0 of television's range."""
    luma = RANDOM.integers(16, 236, (-(-height // 16), -(-width // 16)), np.uint8)
    frame = av.VideoFrame(width, height, "yuv420p")
    for number, plane in enumerate(frame.planes):
        side = 16 if number == 0 else 8
        values = luma if number == 0 else RANDOM.integers(64, 193, luma.shape, np.uint8)
        patches = np.kron(values, np.ones((side, side), np.uint8))
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = patches[: plane.height, : plane.width]
        plane.update(padded.tobytes())
    return frame


def exact(frame: av.VideoFrame, *, full: bool) -> npt.NDArray[np.float64]:
    """BGR by ITU-R BT.601-7, section 2.5."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width].astype(np.float64)
        for plane in frame.planes
    )
    u, v = (np.kron(one, np.ones((2, 2)))[: frame.height, : frame.width] - 128 for one in (u, v))
    if not full:
        y, u, v = (y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    return np.clip(np.stack([y + 1.772 * u, y - 0.344136 * u - 0.714136 * v, y + 1.402 * v], axis=-1), 0, 255)


def apart(one: Image, other: npt.NDArray[np.float64]) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("size", [(1280, 720), (704, 576), (854, 480)])
def test_levels_are_within_three_of_the_exact_ones(size: tuple[int, int]) -> None:
    frame = picture(*size)

    image = Converter().bgr(frame)

    assert image.shape == (size[1], size[0], 3)
    assert image.flags.c_contiguous
    assert apart(image, exact(frame, full=False)) < 3.5


def test_the_full_range_of_levels_is_used_where_a_stream_says_so() -> None:
    frame = picture(640, 360)
    frame.color_range = ColorRange.JPEG

    assert apart(Converter().bgr(frame), exact(frame, full=True)) < 3.5


def test_wider_pictures_are_scaled_down() -> None:
    assert Converter().bgr(picture(1920, 1080)).shape == (MAX_WIDTH * 9 // 16, MAX_WIDTH, 3)


def test_one_converter_takes_pictures_of_all_sizes() -> None:
    converter = Converter()
    for size in [(640, 360), (320, 180), (640, 360)]:
        frame = picture(*size)
        assert apart(converter.bgr(frame), exact(frame, full=False)) < 3.5


def test_a_picture_outlives_the_frame_and_the_next_conversion() -> None:
    converter = Converter()
    frame = picture(640, 360)
    image, expected = converter.bgr(frame), exact(frame, full=False)
    del frame

    converter.bgr(picture(640, 360))

    assert apart(image, expected) < 3.5
