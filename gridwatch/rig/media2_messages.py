"""Answers of ONVIF's Media2 service (ver20). Pure text: values in, XML out."""

from xml.sax.saxutils import escape

from gridwatch.rig.clip import Clip
from gridwatch.rig.onvif_messages import MEDIA2_NS, PROFILE_TOKEN, metadata_configuration

_NAMESPACE = f'xmlns:tr2="{MEDIA2_NS}"'


def profiles(clip: Clip | None, *, metadata: bool = False) -> str:
    """Answer to GetProfiles with all Types: the clip's one profile, with `metadata` that has events, or none."""
    listed = "" if clip is None else _profile(clip, metadata)
    return f"<tr2:GetProfilesResponse {_NAMESPACE}>{listed}</tr2:GetProfilesResponse>"


def stream_uri(url: str) -> str:
    """Answer to GetStreamUri."""
    return f"<tr2:GetStreamUriResponse {_NAMESPACE}><tr2:Uri>{escape(url)}</tr2:Uri></tr2:GetStreamUriResponse>"


def _profile(clip: Clip, metadata: bool) -> str:
    told = f'<tr2:Metadata token="metadata">{metadata_configuration()}</tr2:Metadata>'
    return (
        f'<tr2:Profiles token="{PROFILE_TOKEN}" fixed="true"><tr2:Name>{PROFILE_TOKEN}</tr2:Name><tr2:Configurations>'
        '<tr2:VideoSource token="source"><tt:Name>source</tt:Name><tt:UseCount>1</tt:UseCount>'
        f'<tt:SourceToken>source</tt:SourceToken><tt:Bounds x="0" y="0" width="{clip.width}" height="{clip.height}"/>'
        f'</tr2:VideoSource><tr2:VideoEncoder token="encoder" GovLength="{clip.key_interval}" Profile="{clip.profile}">'
        "<tt:Name>encoder</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>"
        f"<tt:Resolution><tt:Width>{clip.width}</tt:Width><tt:Height>{clip.height}</tt:Height></tt:Resolution>"
        f"<tt:RateControl><tt:FrameRateLimit>{clip.fps:g}</tt:FrameRateLimit>"
        f"<tt:BitrateLimit>{clip.kilobits_per_second}</tt:BitrateLimit></tt:RateControl><tt:Quality>5</tt:Quality>"
        f"</tr2:VideoEncoder>{told if metadata else ''}</tr2:Configurations></tr2:Profiles>"
    )
