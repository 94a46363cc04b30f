"""ONVIF answers as SOAP 1.2 bodies. Pure text: values in, XML out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from xml.sax.saxutils import escape

import gridwatch
from gridwatch.domain import Position
from gridwatch.rig.clip import Clip

DEVICE_NS = "http://www.onvif.org/ver10/device/wsdl"
MEDIA_NS = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2_NS = "http://www.onvif.org/ver20/media/wsdl"
EVENTS_NS = "http://www.onvif.org/ver10/events/wsdl"
PROFILE_TOKEN = "main"  # noqa: S105 - ONVIF calls an identifier a token

_NAMESPACES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema" '
    f'xmlns:tds="{DEVICE_NS}" xmlns:trt="{MEDIA_NS}" xmlns:ter="http://www.onvif.org/ver10/error"'
)
_MULTICAST = (
    "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address>"
    "<tt:Port>0</tt:Port><tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"
)
_VERSION = "<tt:Major>2</tt:Major><tt:Minor>60</tt:Minor>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A SOAP fault (ONVIF Core, 5.8.2). An exception would carry no more."""

    status: int
    """Of the HTTP answer."""
    code: str
    """`Sender` or `Receiver`."""
    subcodes: tuple[str, ...]
    reason: str

    def body(self) -> str:
        """The fault element."""
        nested = ""
        for subcode in reversed(self.subcodes):
            nested = f"<s:Subcode><s:Value>ter:{subcode}</s:Value>{nested}</s:Subcode>"
        return (
            f"<s:Fault><s:Code><s:Value>s:{self.code}</s:Value>{nested}</s:Code>"
            f'<s:Reason><s:Text xml:lang="en">{escape(self.reason)}</s:Text></s:Reason></s:Fault>'
        )


NOT_AUTHORIZED = Fault(status=400, code="Sender", subcodes=("NotAuthorized",), reason="Sender not authorized")
NOT_SUPPORTED = Fault(
    status=500, code="Receiver", subcodes=("ActionNotSupported",), reason="This virtual camera has no such action"
)
NO_PROFILE = Fault(
    status=400, code="Sender", subcodes=("InvalidArgVal", "NoProfile"), reason="There is no profile of that token"
)
MALFORMED = Fault(status=400, code="Sender", subcodes=("WellFormed",), reason="The request is not SOAP 1.2")


def envelope(body: str) -> str:
    """A whole SOAP message."""
    return f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {_NAMESPACES}><s:Body>{body}</s:Body></s:Envelope>'


def system_date_and_time(now: datetime) -> str:
    """Answer to GetSystemDateAndTime; `now` is UTC by the camera's clock."""
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
        f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
        f"<tt:Second>{now.second}</tt:Second></tt:Time>"
        f"<tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
        "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def services(addresses: Mapping[str, str]) -> str:
    """Answer to GetServices; `addresses` maps namespace to URL."""
    listed = "".join(
        f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{escape(url)}</tds:XAddr>"
        f"<tds:Version>{_VERSION}</tds:Version></tds:Service>"
        for namespace, url in addresses.items()
    )
    return f"<tds:GetServicesResponse>{listed}</tds:GetServicesResponse>"


def capabilities(addresses: Mapping[str, str]) -> str:
    """Answer to GetCapabilities, for clients older than GetServices; it knows no Media2."""
    media = events = ""
    if EVENTS_NS in addresses:
        events = (
            f"<tt:Events><tt:XAddr>{escape(addresses[EVENTS_NS])}</tt:XAddr>"
            "<tt:WSSubscriptionPolicySupport>false</tt:WSSubscriptionPolicySupport><tt:WSPullPointSupport>true"
            "</tt:WSPullPointSupport><tt:WSPausableSubscriptionManagerInterfaceSupport>false"
            "</tt:WSPausableSubscriptionManagerInterfaceSupport></tt:Events>"
        )
    if MEDIA_NS in addresses:
        media = (
            f"<tt:Media><tt:XAddr>{escape(addresses[MEDIA_NS])}</tt:XAddr><tt:StreamingCapabilities>"
            "<tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>false</tt:RTP_TCP>"
            "<tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media>"
        )
    return (
        "<tds:GetCapabilitiesResponse><tds:Capabilities>"
        f"<tt:Device><tt:XAddr>{escape(addresses[DEVICE_NS])}</tt:XAddr></tt:Device>{events}{media}"
        "</tds:Capabilities></tds:GetCapabilitiesResponse>"
    )


def device_information(camera_id: str) -> str:
    """Answer to GetDeviceInformation."""
    return (
        "<tds:GetDeviceInformationResponse><tds:Manufacturer>gridwatch</tds:Manufacturer>"
        "<tds:Model>virtual camera</tds:Model>"
        f"<tds:FirmwareVersion>{gridwatch.__version__}</tds:FirmwareVersion>"
        f"<tds:SerialNumber>{escape(camera_id)}</tds:SerialNumber><tds:HardwareId>rig</tds:HardwareId>"
        "</tds:GetDeviceInformationResponse>"
    )


def geo_location(place: Position) -> str:
    """A tt:GeoLocation (common.xsd)."""
    return f'<tt:GeoLocation lon="{place.lon}" lat="{place.lat}"/>'


def geo_locations(place: Position) -> str:
    """Answer to GetGeoLocation: the device itself, by its own receiver."""
    return (
        '<tds:GetGeoLocationResponse><tds:Location Entity="Device" Fixed="true" AutoGeo="true">'
        f"{geo_location(place)}</tds:Location></tds:GetGeoLocationResponse>"
    )


def scopes(camera_id: str) -> str:
    """Answer to GetScopes."""
    items = ("Profile/Streaming", "type/video_encoder", "hardware/rig", f"name/{camera_id}")
    listed = "".join(
        "<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef>"
        f"<tt:ScopeItem>onvif://www.onvif.org/{escape(item)}</tt:ScopeItem></tds:Scopes>"
        for item in items
    )
    return f"<tds:GetScopesResponse>{listed}</tds:GetScopesResponse>"


def network_interfaces(camera_id: str) -> str:
    """Answer to GetNetworkInterfaces: one, with a stable, locally administered (02:...) address per camera."""
    address = ":".join(f"{byte:02x}" for byte in (2, *sha256(camera_id.encode()).digest()[:5]))
    return (
        '<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="eth0"><tt:Enabled>true</tt:Enabled>'
        f"<tt:Info><tt:Name>eth0</tt:Name><tt:HwAddress>{address}</tt:HwAddress></tt:Info>"
        "</tds:NetworkInterfaces></tds:GetNetworkInterfacesResponse>"
    )


def profiles(clip: Clip | None, *, metadata: bool = False) -> str:
    """Answer to GetProfiles: the clip's one profile, with `metadata` that has events, or none."""
    listed = _profile("Profiles", clip, metadata) if clip else ""
    return f"<trt:GetProfilesResponse>{listed}</trt:GetProfilesResponse>"


def profile(clip: Clip, *, metadata: bool = False) -> str:
    """Answer to GetProfile."""
    return f"<trt:GetProfileResponse>{_profile('Profile', clip, metadata)}</trt:GetProfileResponse>"


def metadata_configuration() -> str:
    """Inside of a tt:MetadataConfiguration: all events, and nothing else."""
    return (
        "<tt:Name>metadata</tt:Name><tt:UseCount>1</tt:UseCount><tt:Events/><tt:Analytics>false</tt:Analytics>"
        f"{_MULTICAST}<tt:SessionTimeout>PT60S</tt:SessionTimeout>"
    )


def stream_uri(url: str) -> str:
    """Answer to GetStreamUri."""
    return (
        f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{escape(url)}</tt:Uri>"
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
        "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>"
    )


def _profile(element: str, clip: Clip, metadata: bool) -> str:
    told = f'<tt:MetadataConfiguration token="metadata">{metadata_configuration()}</tt:MetadataConfiguration>'
    # FrameRateLimit is a whole number in Media1's schema (tt:VideoRateControl): 12.5 fps is written 12.
    return (
        f'<trt:{element} token="{PROFILE_TOKEN}" fixed="true"><tt:Name>{PROFILE_TOKEN}</tt:Name>'
        '<tt:VideoSourceConfiguration token="source"><tt:Name>source</tt:Name><tt:UseCount>1</tt:UseCount>'
        f'<tt:SourceToken>source</tt:SourceToken><tt:Bounds x="0" y="0" width="{clip.width}" height="{clip.height}"/>'
        '</tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="encoder"><tt:Name>encoder</tt:Name>'
        "<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>"
        f"<tt:Resolution><tt:Width>{clip.width}</tt:Width><tt:Height>{clip.height}</tt:Height></tt:Resolution>"
        f"<tt:Quality>5</tt:Quality><tt:RateControl><tt:FrameRateLimit>{max(1, round(clip.fps))}</tt:FrameRateLimit>"
        f"<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>{clip.kilobits_per_second}</tt:BitrateLimit>"
        f"</tt:RateControl><tt:H264><tt:GovLength>{clip.key_interval}</tt:GovLength>"
        f"<tt:H264Profile>{clip.profile}</tt:H264Profile></tt:H264>"
        f"{_MULTICAST}<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>"
        f"{told if metadata else ''}</trt:{element}>"
    )
