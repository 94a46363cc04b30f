"""A camera's media service of either generation: what profiles it has, and where their streams are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gridwatch.ingest.onvif_client import MEDIA, MEDIA2, MEDIA_PROFILES, OnvifClient

MIN_WIDTH = 640
"""Detectors see too little in narrower pictures."""
_USABLE_CODECS = ("H264", "H265")
_NAMES = {"tr2": MEDIA2, "tt": "http://www.onvif.org/ver10/schema"}


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoProfile:
    """One media profile of a camera, as far as it has video."""

    token: str
    width: int
    height: int
    fps: float
    """The encoder's frame rate limit; 0 when it does not say."""
    codec: str
    """As ONVIF names it: `H264`, `H265`, `JPEG`, `MPEG4`, `MPV4-ES`."""
    name: str = ""


def choose_profile(profiles: Sequence[VideoProfile]) -> VideoProfile | None:
    """The smallest H.264 or H.265 profile at least MIN_WIDTH wide, else the largest, else None."""
    usable = sorted((p for p in profiles if p.codec in _USABLE_CODECS), key=lambda p: p.width * p.height)
    wide = [p for p in usable if p.width >= MIN_WIDTH]
    return wide[0] if wide else (usable[-1] if usable else None)


def named_profile(profiles: Sequence[VideoProfile], wanted: str) -> VideoProfile | None:
    """The profile whose token is `wanted`, else the first whose name is, else None. Any codec will do."""
    by_token = [p for p in profiles if p.token == wanted]
    by_name = [p for p in profiles if p.name == wanted]
    return next(iter(by_token + by_name), None)


def plain(text: str) -> str:
    """`text` from a device without what could move a cursor or end a line, and no longer than a name needs."""
    return "".join(one if one.isprintable() else " " for one in text).strip()[:100]


class Media:
    """One media service of a device: Media1 or Media2, by its namespace."""

    def __init__(self, client: OnvifClient, namespace: str, url: str) -> None:
        """`namespace` is MEDIA or MEDIA2; `url` as reached from here."""
        self._client = client
        self._namespace = namespace
        self._url = url

    async def profiles(self) -> tuple[VideoProfile, ...]:
        """Those with video. Raises what OnvifClient.call raises."""
        if self._namespace == MEDIA2:
            answer = await self._client.call(MEDIA2, self._url, "GetProfiles", {"Type": ["VideoEncoder"]})
            return tuple(_profiles2(answer))
        answer = await self._client.call(MEDIA, self._url, "GetProfiles")
        return tuple(_profiles1(answer or ()))

    async def event_profiles(self) -> tuple[str, ...]:
        """Tokens of the profiles whose metadata has events, those without analytics first. Raises as `profiles`."""
        if self._namespace == MEDIA2:
            where = "tr2:Configurations/tr2:Metadata"
            answer = await self._client.call(MEDIA2, self._url, "GetProfiles", {"Type": ["Metadata"]})
        else:
            where = "tt:MetadataConfiguration"
            answer = await self._client.call(MEDIA_PROFILES, self._url, "GetProfiles")
        found = sorted(_event_profiles(answer, where), key=lambda one: one[0])
        return tuple(token for _, token in found)

    async def stream_uri(self, token: str) -> str:
        """Where the profile's stream is for RTP over the RTSP connection, as the camera says it; may be empty."""
        if self._namespace == MEDIA2:
            arguments: dict[str, Any] = {"Protocol": "RTSP", "ProfileToken": token}
            answer = await self._client.call(MEDIA2, self._url, "GetStreamUri", arguments)
            return str(answer or "")
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        arguments = {"StreamSetup": setup, "ProfileToken": token}
        answer = await self._client.call(MEDIA, self._url, "GetStreamUri", arguments)
        return str(getattr(answer, "Uri", None) or "")


def _profiles1(answer: Sequence[Any]) -> Iterator[VideoProfile]:
    for profile in answer:
        encoder: Any = getattr(profile, "VideoEncoderConfiguration", None)
        size = getattr(encoder, "Resolution", None)
        if size is not None:
            rate = getattr(encoder, "RateControl", None)
            yield VideoProfile(
                token=str(profile.token),
                width=int(size.Width or 0),
                height=int(size.Height or 0),
                fps=float(getattr(rate, "FrameRateLimit", None) or 0),
                codec=str(encoder.Encoding).upper(),
                name=plain(str(profile.Name or "")),
            )


def _profiles2(answer: Any) -> Iterator[VideoProfile]:
    """From the XML that our description of the service leaves profiles in."""
    elements = answer if isinstance(answer, list) else [] if answer is None else [answer]
    for profile in elements:
        encoder = profile.find("tr2:Configurations/tr2:VideoEncoder", _NAMES)
        token = profile.get("token")
        if encoder is not None and token:
            yield VideoProfile(
                token=token,
                width=int(_number(encoder, "tt:Resolution/tt:Width")),
                height=int(_number(encoder, "tt:Resolution/tt:Height")),
                fps=_number(encoder, "tt:RateControl/tt:FrameRateLimit"),
                codec=encoder.findtext("tt:Encoding", "", _NAMES).strip().upper(),
                name=plain(profile.findtext("tr2:Name", "", _NAMES)),
            )


def _event_profiles(answer: Any, where: str) -> Iterator[tuple[bool, str]]:
    """Whether there are analytics too, and the token; the metadata configuration of a profile is at `where`."""
    for profile in answer if isinstance(answer, list) else [] if answer is None else [answer]:
        metadata = profile.find(where, _NAMES)
        token = profile.get("token")
        # An empty tt:Events means all of them, and none means none (Media, 5.8.2).
        if token and metadata is not None and metadata.find("tt:Events", _NAMES) is not None:
            yield metadata.findtext("tt:Analytics", "", _NAMES).strip() in {"true", "1"}, token


def _number(element: Any, path: str) -> float:
    """A number of the answer, 0 when there is none."""
    try:
        value = float(element.findtext(path, "0", _NAMES))
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1e6 else 0.0
