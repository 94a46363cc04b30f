"""HTTP Digest as newer ONVIF devices ask for it: MD5 with qop=auth (RFC 7616, 3.4)."""

import hashlib
import hmac
import secrets
from urllib.request import parse_http_list, parse_keqv_list

from gridwatch.rig.camera import Channel, Fault

_REALM = "gridwatch onvif"


class HttpDigest:
    """One device's challenge and its check. The nonce lives as long as the device; a used count is not remembered."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(16)

    @property
    def header(self) -> str:
        """The value of `WWW-Authenticate`."""
        return f'Digest realm="{_REALM}", nonce="{self._nonce}", qop="auth", algorithm=MD5'

    def proves(self, channel: Channel, method: str, target: str, authorization: str) -> bool:
        """Whether the value of `Authorization` proves the camera's password for this request; False if malformed."""
        camera = channel.camera
        scheme, _, rest = authorization.partition(" ")
        if channel.fault is Fault.REFUSE or camera.username is None or scheme.lower() != "digest":
            return False
        try:
            given = parse_keqv_list(parse_http_list(rest))
        except (ValueError, IndexError):
            return False
        if (given.get("username"), given.get("nonce"), given.get("uri")) != (camera.username, self._nonce, target):
            return False
        secret = _md5(f"{camera.username}:{_REALM}:{camera.password}")
        count = f"{given.get('nc', '')}:{given.get('cnonce', '')}:auth"
        expected = _md5(f"{secret}:{self._nonce}:{count}:{_md5(f'{method}:{target}')}")
        return hmac.compare_digest(given.get("response", "").encode(), expected.encode())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
