"""Devices that answer ONVIF as a test wants: canned answers over real HTTP. Fixtures are in `conftest`."""

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from gridwatch.domain import FakeClock

MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
DEVICE, MEDIA, TT = (
    "http://www.onvif.org/ver10/device/wsdl",
    "http://www.onvif.org/ver10/media/wsdl",
    "http://www.onvif.org/ver10/schema",
)
_OPERATION = re.compile(rb"<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)")


@dataclass(frozen=True)
class Canned:
    """A whole HTTP answer."""

    body: str
    status: int = 200


def soap(inner: str, status: int = 200) -> Canned:
    namespaces = (
        f'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="{DEVICE}" xmlns:trt="{MEDIA}" '
        f'xmlns:tt="{TT}" xmlns:tr2="{MEDIA2}" '
        'xmlns:ter="http://www.onvif.org/ver10/error"'
    )
    return Canned(f'<?xml version="1.0"?><s:Envelope {namespaces}><s:Body>{inner}</s:Body></s:Envelope>', status)


def fault(subcode: str, reason: str, status: int = 400) -> Canned:
    return soap(
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>',
        status,
    )


def date_and_time(at: datetime | None) -> Canned:
    utc = ""
    if at is not None:
        utc = (
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}</tt:Minute>"
            f"<tt:Second>{at.second}</tt:Second></tt:Time><tt:Date><tt:Year>{at.year}</tt:Year>"
            f"<tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date></tt:UTCDateTime>"
        )
    return soap(
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
        f"<tt:DaylightSavings>true</tt:DaylightSavings>{utc}</tds:SystemDateAndTime>"
        "</tds:GetSystemDateAndTimeResponse>"
    )


def profile(token: str, codec: str, width: int, height: int) -> str:
    return (
        f'<trt:Profiles token="{token}"><tt:Name>{token}</tt:Name><tt:VideoEncoderConfiguration token="v">'
        f"<tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>{codec}</tt:Encoding><tt:Resolution>"
        f"<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution><tt:Quality>5</tt:Quality>"
        "</tt:VideoEncoderConfiguration></trt:Profiles>"
    )


def profiles(*inner: str) -> Canned:
    return soap(f"<trt:GetProfilesResponse>{''.join(inner)}</trt:GetProfilesResponse>")


def stream_uri(uri: str) -> Canned:
    return soap(
        f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri><tt:InvalidAfterConnect>false"
        "</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
        "</trt:MediaUri></trt:GetStreamUriResponse>"
    )


def services(media: str, media2: str = "", device: str = "") -> Canned:
    listed = "".join(
        f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{url}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
        for namespace, url in ((DEVICE, device), (MEDIA, media), (MEDIA2, media2))
        if url or namespace == MEDIA
    )
    return soap(f"<tds:GetServicesResponse>{listed}</tds:GetServicesResponse>")


def profile2(token: str, codec: str, width: str, height: str, fps: str = "12.5") -> str:
    """As Media2 has it, with other configurations around the encoder's."""
    return (
        f'<tr2:Profiles token="{token}" fixed="true"><tr2:Name>name of {token}</tr2:Name><tr2:Configurations>'
        '<tr2:VideoSource token="s"><tt:Name>s</tt:Name></tr2:VideoSource>'
        f'<tr2:VideoEncoder token="e" GovLength="50"><tt:Name>e</tt:Name><tt:Encoding>{codec}</tt:Encoding>'
        f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
        f"<tt:RateControl><tt:FrameRateLimit>{fps}</tt:FrameRateLimit></tt:RateControl></tr2:VideoEncoder>"
        '<tr2:PTZ token="p"/></tr2:Configurations></tr2:Profiles>'
    )


def profiles2(*inner: str) -> Canned:
    return soap(f"<tr2:GetProfilesResponse>{''.join(inner)}</tr2:GetProfilesResponse>")


def stream_uri2(uri: str) -> Canned:
    return soap(f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>")


INFORMATION = soap(
    "<tds:GetDeviceInformationResponse><tds:Manufacturer>Acme</tds:Manufacturer><tds:Model>Eye</tds:Model>"
    "<tds:FirmwareVersion>1.2</tds:FirmwareVersion><tds:SerialNumber>0042</tds:SerialNumber>"
    "<tds:HardwareId>7</tds:HardwareId></tds:GetDeviceInformationResponse>"
)

REALM, NONCE = "camera", "f00d"


def proves(authorization: str | None, password: str) -> bool:
    """Whether HTTP Digest (RFC 2069) as `admin` is right."""
    given = dict(re.findall(r'(\w+)="([^"]*)"', authorization or ""))
    return given.get("response") == md5(
        f"{md5(f'admin:{REALM}:{password}')}:{NONCE}:{md5('POST:' + given.get('uri', ''))}"
    )


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Serve(Protocol):
    """Starts a device; returns its URL."""

    def __call__(
        self, answers: Mapping[str, Canned], *, digest: str | None = None, requests: list[bytes] | None = None
    ) -> str:
        """With `digest`, every operation needs that password by HTTP Digest, and none may carry a token.

        What is asked is added to `requests`.
        """


@contextmanager
def canned_devices(refusals: list[str]) -> Iterator[Serve]:
    """`serve(answers by operation) -> device URL`; what has no answer is not supported. Port 0 in answers is ours.

    Operations of Media2 are called `GetProfiles2` and `GetStreamUri2`.
    `*` answers whatever has no answer of its own. Operations answered with 401 are added to `refusals`.
    """
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answers: Mapping[str, Canned], *, digest: str | None = None, requests: list[bytes] | None = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = self.rfile.read(int(self.headers["Content-Length"]))
                if requests is not None:
                    requests.append(request)
                found = _OPERATION.search(request)
                name = (found[1].decode() if found else "") + ("2" if MEDIA2.encode() in request else "")
                if digest is not None and not proves(self.headers["Authorization"], digest):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", f'Digest realm="{REALM}", nonce="{NONCE}"')
                    self.send_header("Content-Length", "0")
                    refusals.append(name)  # before the client can have heard of it
                    self.end_headers()
                    return
                assert digest is None or b"UsernameToken" not in request
                answer = answers.get(name, answers.get("*", fault("ter:ActionNotSupported", f"no {name}", 500)))
                body = answer.body.replace(":0/", f":{self.server.server_port}/").encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="canned-onvif")
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/strange/path/device"

    try:
        yield start
    finally:
        for server, thread in servers:
            server.shutdown()
            thread.join()
            server.server_close()


def usual(**changes: Canned) -> dict[str, Canned]:
    """A well-behaved device behind NAT: it names itself by an address of its own network."""
    return {
        "GetSystemDateAndTime": date_and_time(FakeClock().now()),
        "GetServices": services("http://192.168.1.64:0/onvif/Media"),
        "GetDeviceInformation": INFORMATION,
        "GetProfiles": profiles(profile("main", "H264", 1920, 1080), profile("sub", "H264", 704, 576)),
        "GetStreamUri": stream_uri("rtsp://192.168.1.64:554/sub?x=1&amp;y=2"),
    } | changes
