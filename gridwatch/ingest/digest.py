"""HTTP Digest with SHA-256, as RTSP cameras ask for it (RFC 7616, as RTSP takes it from HTTP). No I/O."""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.request import parse_http_list, parse_keqv_list

from gridwatch.ingest.urls import Credentials

_CHALLENGE = re.compile(rb"^www-authenticate:[ \t]*digest[ \t]+([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_PROVABLE = frozenset({"SHA-256", "SHA-256-SESS"})
_CNONCE_BYTES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """What a server wants to have proved, and how (RFC 7616, 3.3)."""

    realm: str
    nonce: str
    algorithm: str
    """Upper case; MD5 where the server does not say."""
    qop: tuple[str, ...] = ()
    """Empty: the older way of RFC 2069, without a count."""
    opaque: str | None = None
    stale: bool = False
    """The proof was right, but for a nonce that is used up."""

    @property
    def provable(self) -> bool:
        """Whether `Signer` can answer it. Proofs of a body (auth-int alone) are not given."""
        return self.algorithm in _PROVABLE and (not self.qop or "auth" in self.qop)


def read_challenges(head: bytes) -> tuple[Challenge, ...]:
    """The Digest challenges of an answer's head, each in a header of its own, in order; malformed ones left out."""
    return tuple(one for one in map(_read, _CHALLENGE.findall(head)) if one is not None)


def _read(value: bytes) -> Challenge | None:
    try:
        # Some servers end the list with a comma, which the standard library stumbles over.
        parts = [part for part in parse_http_list(value.decode()) if "=" in part]
        given = {name.strip().lower(): text for name, text in parse_keqv_list(parts).items()}
    except (ValueError, IndexError):
        return None
    nonce = given.get("nonce")
    if nonce is None:
        return None
    return Challenge(
        realm=given.get("realm", ""), nonce=nonce, algorithm=given.get("algorithm", "MD5").upper(),
        qop=tuple(one.strip().lower() for one in given.get("qop", "").split(",") if one.strip()),
        opaque=given.get("opaque"), stale=given.get("stale", "").lower() == "true",
    )  # fmt: skip


@dataclass(slots=True)
class Signer:
    """Proves one password to one server, request by request. Not thread-safe."""

    credentials: Credentials = field(repr=False)
    challenge: Challenge
    """The latest, `provable`."""
    make_cnonce: Callable[[], str] = lambda: secrets.token_hex(_CNONCE_BYTES)
    _count: int = 0
    _cnonce: str = ""

    def renew(self, challenge: Challenge) -> None:
        """Take a new challenge; counting begins again."""
        self.challenge, self._count = challenge, 0

    def sign(self, method: str, uri: str) -> str:
        """The value of `Authorization` for one request without a body; `uri` as its first line has it."""
        if not self._count:
            # One for all requests of a nonce: -sess mixes that of the first into the secret (3.4.2).
            self._cnonce = self.make_cnonce()
        self._count += 1
        challenge, user = self.challenge, self.credentials.username
        count = f"{self._count:08x}"
        secret = _hash(f"{user}:{challenge.realm}:{self.credentials.password.get_secret_value()}")
        if challenge.algorithm.endswith("-SESS"):
            secret = _hash(f"{secret}:{challenge.nonce}:{self._cnonce}")
        counted = f"{count}:{self._cnonce}:auth:" if challenge.qop else ""
        response = _hash(f"{secret}:{challenge.nonce}:{counted}{_hash(f'{method}:{uri}')}")
        algorithm = challenge.algorithm.replace("-SESS", "-sess")
        said = [
            f"username={_quoted(user)}", f"realm={_quoted(challenge.realm)}", f"nonce={_quoted(challenge.nonce)}",
            f"uri={_quoted(uri)}", f'response="{response}"', f"algorithm={algorithm}",
        ]  # fmt: skip
        if challenge.opaque is not None:
            said.append(f"opaque={_quoted(challenge.opaque)}")
        if challenge.qop:
            said.append(f"qop=auth, nc={count}")
        if challenge.qop or algorithm.endswith("-sess"):
            said.append(f'cnonce="{self._cnonce}"')
        return f"Digest {', '.join(said)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
