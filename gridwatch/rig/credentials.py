"""The two proofs of a password that cameras take: HTTP Digest in RTSP, WS-UsernameToken in ONVIF."""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.request import parse_http_list, parse_keqv_list

from gridwatch.rig.camera import Channel, Fault

TOKEN_LIFETIME = timedelta(seconds=10)
"""How far a token's time may be from the camera's clock; real cameras allow 5 to 60 s."""
_REALM = "gridwatch rig"


class DigestChallenge:
    """HTTP Digest with MD5 and no qop (RFC 2069), as RTSP cameras speak it; one nonce per connection."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(16)

    @property
    def header(self) -> str:
        """The value of `WWW-Authenticate`."""
        return f'Digest realm="{_REALM}", nonce="{self._nonce}"'

    def proves(self, channel: Channel, method: str, authorization: str) -> bool:
        """Whether the value of `Authorization` proves the camera's password; False for anything malformed."""
        camera = channel.camera
        if channel.fault is Fault.REFUSE:
            return False
        if camera.username is None:
            return True
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != "digest":
            return False
        try:
            given = parse_keqv_list(parse_http_list(rest))
        except (ValueError, IndexError):
            return False
        secret = _md5(f"{camera.username}:{_REALM}:{camera.password}")
        expected = _md5(f"{secret}:{self._nonce}:{_md5(method + ':' + given.get('uri', ''))}")
        response = given.get("response", "")
        return given.get("username") == camera.username and hmac.compare_digest(response.encode(), expected.encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class UsernameToken:
    """A WS-UsernameToken with PasswordDigest, as it came: nothing in it is checked yet."""

    username: str
    digest: str
    nonce: str
    created: str

    def proves(self, channel: Channel, now: datetime) -> bool:
        """Whether it proves the camera's password at the camera's time `now`; a used nonce is not remembered."""
        camera = channel.camera
        if channel.fault is Fault.REFUSE or camera.password is None:
            return False
        try:
            created = datetime.fromisoformat(self.created)
            nonce = base64.b64decode(self.nonce, validate=True)
        except (ValueError, binascii.Error):
            return False
        if created.tzinfo is None:
            created = created.replace(tzinfo=UTC)
        if abs(created - now) > TOKEN_LIFETIME:
            return False
        # PasswordDigest = Base64(SHA-1(nonce + created + password)), OASIS WSS UsernameToken Profile 1.1, 3.1.
        sha = hashlib.sha1(nonce + self.created.encode() + camera.password.encode(), usedforsecurity=False)
        expected = base64.b64encode(sha.digest())
        return self.username == camera.username and hmac.compare_digest(self.digest.encode(), expected)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
