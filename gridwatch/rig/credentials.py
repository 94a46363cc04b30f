"""The two proofs of a password that cameras take: HTTP Digest in RTSP, WS-UsernameToken in ONVIF."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.request import parse_http_list, parse_keqv_list

from gridwatch.rig.camera import Channel, Fault, RtspDigest

TOKEN_LIFETIME = timedelta(seconds=10)
"""How far a token's time may be from the camera's clock; real cameras allow 5 to 60 s."""
_REALM = "gridwatch rig"


class DigestChallenge:
    """HTTP Digest of one RTSP connection: one nonce, and a new one when that is stale."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(16)
        self._uses = 0
        self._stale = False

    def header(self, channel: Channel) -> str:
        """The value of `WWW-Authenticate`."""
        challenge = f'Digest realm="{_REALM}", nonce="{self._nonce}"'
        if channel.camera.rtsp_digest is RtspDigest.MD5:
            return challenge
        stale = ", stale=true" if self._stale else ""
        return f'{challenge}, algorithm={channel.camera.rtsp_digest}, qop="auth", opaque="rig \\"1\\""{stale}'

    def proves(self, channel: Channel, method: str, authorization: str) -> bool:
        """Whether the value of `Authorization` proves the camera's password; False for anything malformed."""
        self._stale = False
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
        wanted = self._by_md5 if camera.rtsp_digest is RtspDigest.MD5 else self._by_sha256
        response = given.get("response", "")
        right = hmac.compare_digest(response.encode(), wanted(channel, method, given).encode())
        return right and given.get("username") == camera.username and self._is_fresh(channel, given)

    def _by_md5(self, channel: Channel, method: str, given: Mapping[str, str]) -> str:
        secret = _md5(f"{channel.camera.username}:{_REALM}:{channel.camera.password}")
        return _md5(f"{secret}:{self._nonce}:{_md5(method + ':' + given.get('uri', ''))}")

    def _by_sha256(self, channel: Channel, method: str, given: Mapping[str, str]) -> str:
        """RFC 7616, 3.4.1."""
        camera, cnonce = channel.camera, given.get("cnonce", "")
        secret = _sha256(f"{camera.username}:{_REALM}:{camera.password}")
        if camera.rtsp_digest is RtspDigest.SHA_256_SESS:
            secret = _sha256(f"{secret}:{self._nonce}:{cnonce}")
        request = _sha256(f"{method}:{given.get('uri', '')}")
        return _sha256(f"{secret}:{self._nonce}:{given.get('nc', '')}:{cnonce}:auth:{request}")

    def _is_fresh(self, channel: Channel, given: Mapping[str, str]) -> bool:
        """Whether a right proof counts: its nonce may be used up, or its count be one that was there before."""
        if channel.camera.rtsp_digest is RtspDigest.MD5:
            return True
        if given.get("nc") != f"{self._uses + 1:08x}" or given.get("opaque") != 'rig "1"':
            return False
        if self._uses == channel.camera.nonce_uses:
            self._nonce, self._uses, self._stale = secrets.token_hex(16), 0, True
            return False
        self._uses += 1
        return True


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


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
