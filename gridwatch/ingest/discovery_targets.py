"""Where to look for cameras: addresses, ranges, lists. Pure, but for reading the list."""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gridwatch.ingest.errors import BadTarget
from gridwatch.ingest.urls import endpoint, origin, split_credentials

MAX_ADDRESSES = 4096
"""More are not probed in one go: a mistyped prefix would knock at every door of somebody else's network."""
DEVICE_PATH = "/onvif/device_service"
"""Every ONVIF device has its device service here (ONVIF Core, 5.10)."""
_TLS_PORTS = {443, 8443}


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A place where a camera may be."""

    host: str
    """IPv6 in brackets."""
    port: int | None = None
    """None: the usual ones are tried."""
    url: str | None = None
    """Its device service, where that is known; host and port are of it."""
    named: bool = True
    """Somebody named it, or it announced itself; False: it merely lies in a range. Credentials are shown only to what
    was named or has said that it is ONVIF."""

    def urls(self, ports: Iterable[int]) -> list[tuple[int, str]]:
        """The ports to try and the device service that would be there; `ports` for a target without one."""
        if self.url is not None and self.port is not None:
            return [(self.port, self.url)]
        tried = list(ports) if self.port is None else [self.port]
        return [(port, device_url(self.host, port)) for port in tried]


def device_url(host: str, port: int) -> str:
    """The device service that every ONVIF device at `host` and `port` has."""
    scheme = "https" if port in _TLS_PORTS else "http"
    return f"{scheme}://{host}{'' if port in {80, 443} else f':{port}'}{DEVICE_PATH}"


def parse_target(text: str) -> Target:
    """`HOST`, `HOST:PORT` or the URL of a device service. Raises BadTarget, which repeats no user information."""
    bare = text.strip()
    if "://" in bare:
        return _url_target(bare)
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        pass
    else:
        return Target(host=f"[{address}]" if address.version == 6 else str(address))
    try:
        # A scheme without a usual port: 0 stands for none given.
        _, host, port = origin(f"any://{bare}")
    except ValueError:
        host, port = "", 0
    if not host or port > 65535 or set("/@?#") & set(bare):
        raise BadTarget(f"{_shown(bare)}: give HOST, HOST:PORT or the http:// URL of a device service")
    return Target(host=host, port=port or None)


def expand_network(text: str) -> list[Target]:
    """Every address of a range such as `10.1.0.0/24`. Raises BadTarget, also for one over MAX_ADDRESSES."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise BadTarget(f"{_shown(text)}: a network is ADDRESS/PREFIX such as 10.1.0.0/24") from None
    if network.num_addresses > MAX_ADDRESSES:
        raise BadTarget(
            f"{network} has {network.num_addresses} addresses and at most {MAX_ADDRESSES} are probed at once; "
            f"give a longer prefix, or the addresses in a file"
        )
    hosts = [f"[{host}]" if host.version == 6 else str(host) for host in network.hosts()]
    return [Target(host=host, named=False) for host in hosts]


def read_targets(path: Path) -> list[Target]:
    """A file with an address or network a line; `#` begins a comment. Raises BadTarget naming file and line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadTarget(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    found: list[Target] = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            # A URL has a slash too; a network is one of a name that is all address.
            found += expand_network(text) if "/" in text and "://" not in text else [parse_target(text)]
        except BadTarget as error:
            raise BadTarget(f"{path}:{number}: {error}") from error
        if len(found) > MAX_ADDRESSES:
            raise BadTarget(f"{path} has more than {MAX_ADDRESSES} addresses; split it")
    return found


def distinct(targets: Iterable[Target]) -> list[Target]:
    """Each place once, in order; one that is named or announced hides the same host out of a range.

    Raises BadTarget when more than MAX_ADDRESSES are left.
    """
    given = list(targets)
    named_hosts = {target.host for target in given if target.named}
    kept = list(dict.fromkeys(_without_url_twins(t for t in given if t.named or t.host not in named_hosts)))
    if len(kept) > MAX_ADDRESSES:
        raise BadTarget(f"{len(kept)} addresses are given and at most {MAX_ADDRESSES} are probed at once; split them")
    return kept


def _without_url_twins(targets: Iterable[Target]) -> Iterator[Target]:
    """A URL that is the one to be tried anyway is dropped, so that it equals its host and port."""
    for target in targets:
        usual = target.port is not None and target.url == device_url(target.host, target.port)
        yield replace(target, url=None) if usual else target


def _url_target(url: str) -> Target:
    try:
        bare, embedded = split_credentials(url)
        scheme, host, port = origin(bare)
    except ValueError:
        raise BadTarget(f"{endpoint(url)}: that is no URL with a host") from None
    if scheme not in {"http", "https"} or port > 65535:
        raise BadTarget(f"{endpoint(bare)}: the URL of a device service is http://HOST[:PORT]/PATH, or https")
    if embedded is not None:
        raise BadTarget(f"{endpoint(bare)}: put user name and password into the file of --credentials")
    path = bare.partition("://")[2].partition("/")[2]
    default = device_url(host, port)
    return Target(host=host, port=port, url=bare if path else f"{scheme}://{default.partition('://')[2]}")


def _shown(text: str) -> str:
    """`text` as a message may repeat it: what has an `@` may hold a password."""
    return "(hidden)" if "@" in text else repr(text)
