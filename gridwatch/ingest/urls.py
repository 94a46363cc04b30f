"""Camera URLs and the credentials people put in them. Nothing here opens a connection.

Passwords arrive unescaped more often than not (`rtsp://admin:p@ss/1@10.0.0.9/live`), and some cameras take them in
the path, so a URL is never shown whole: `endpoint` gives what may be shown, `split_credentials` what connects.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from pydantic import SecretStr

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.+)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(?P<port>:\d{1,5})?(?P<tail>(?:[/?#].*)?)", re.IGNORECASE | re.DOTALL
)

_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A user name and password, kept out of every representation."""

    username: str = field(repr=False)
    password: SecretStr


def split_credentials(url: str) -> tuple[str, Credentials | None]:
    """The URL without user information, and the user information, percent escapes resolved.

    User information ends at the last `@` of the authority, as RFC 3986 has it. Where the authority has no `@` and
    is not a host with a numeric port either, the password holds a `/`, `?` or `#`, and it ends at the last `@` of all.
    Raises ValueError, whose message does not repeat the URL, when there is no host.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("not a URL with a scheme and a host")
    scheme, rest = match["scheme"], match["rest"]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        cut = authority.rindex("@")
    elif _HOST.fullmatch(rest):
        cut = -1
    else:
        cut = rest.rfind("@")
    bare = rest[cut + 1 :]
    if _HOST.fullmatch(bare) is None:
        raise ValueError("not a URL with a scheme and a host")
    if cut < 0:
        return f"{scheme}://{bare}", None
    username, _, password = rest[:cut].partition(":")
    return f"{scheme}://{bare}", Credentials(username=unquote(username), password=SecretStr(unquote(password)))


def with_credentials(url: str, credentials: Credentials | None) -> str:
    """`url`, which has no user information, with `credentials` escaped into it. The result is a secret."""
    if credentials is None:
        return url
    scheme, _, rest = url.partition("://")
    username = quote(credentials.username, safe="")
    return f"{scheme}://{username}:{quote(credentials.password.get_secret_value(), safe='')}@{rest}"


def endpoint(url: str) -> str:
    """`scheme://host:port`: all of a URL that may be shown.

    The path is left out since some cameras take a password in it, and the host too where an `@` after it leaves in
    doubt whether it is one.
    """
    try:
        bare, _ = split_credentials(url)
    except ValueError:
        return "(unreadable URL)"
    scheme, _, rest = bare.partition("://")
    match = _HOST.fullmatch(rest)
    if match is None or "@" in rest:
        return f"{scheme}://(hidden)"
    return f"{scheme}://{match['host']}{match['port'] or ''}"


def hostname(url: str) -> str:
    """The host of a URL without user information, IPv6 in brackets. Raises ValueError when there is none."""
    match = _HOST.fullmatch(url.partition("://")[2])
    if match is None:
        raise ValueError("not a URL with a scheme and a host")
    return match["host"]


def rehost(url: str, host: str) -> str:
    """`url`, which has no user information, with its host replaced and its port and path kept. Raises ValueError."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{host}{rest[len(hostname(url)) :]}"


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL without user information, the port made explicit. Raises ValueError."""
    scheme, _, rest = url.partition("://")
    match = _HOST.fullmatch(rest)
    if match is None:
        raise ValueError("not a URL with a scheme and a host")
    port = int(match["port"][1:]) if match["port"] else _PORTS.get(scheme.lower(), 0)
    return scheme.lower(), match["host"].lower(), port


def at_origin(url: str, other: str) -> str:
    """`url` with scheme, host and port of `other`; neither has user information. Raises ValueError."""
    parts = [_HOST.fullmatch(one.partition("://")[2]) for one in (url, other)]
    if parts[0] is None or parts[1] is None:
        raise ValueError("not a URL with a scheme and a host")
    return f"{other.partition('://')[0]}://{parts[1]['host']}{parts[1]['port'] or ''}{parts[0]['tail']}"
