from gridwatch.ingest.onvif_media import VideoProfile, choose_profile


def profile(token: str, width: int, height: int, codec: str = "H264") -> VideoProfile:
    return VideoProfile(token=token, width=width, height=height, fps=15, codec=codec)


def test_the_smallest_profile_wide_enough_is_chosen() -> None:
    profiles = [
        profile("main", 2560, 1440),
        profile("sub", 640, 360),
        profile("mid", 1280, 720),
        profile("s", 352, 288),
    ]
    chosen = choose_profile(profiles)
    assert chosen is not None
    assert chosen.token == "sub"


def test_where_none_is_wide_enough_the_largest_is() -> None:
    chosen = choose_profile([profile("a", 320, 240), profile("b", 480, 360), profile("c", 352, 288)])
    assert chosen is not None
    assert chosen.token == "b"


def test_only_h264_and_h265_count() -> None:
    profiles = [
        profile("jpeg", 640, 360, "JPEG"),
        profile("hevc", 1920, 1080, "H265"),
        profile("m4", 704, 576, "MPEG4"),
    ]
    chosen = choose_profile(profiles)
    assert chosen is not None
    assert chosen.token == "hevc"
    assert choose_profile([profile("jpeg", 640, 360, "JPEG")]) is None
    assert choose_profile([]) is None
