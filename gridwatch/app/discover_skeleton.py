"""What was found, as cameras for a deployment's YAML."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

import yaml

from gridwatch.domain import SitePath
from gridwatch.ingest.discovery import Finding
from gridwatch.ingest.onvif import DeviceDescription
from gridwatch.ingest.onvif_media import VideoProfile, choose_profile
from gridwatch.ingest.urls import Credentials

PASSWORD_VARIABLE = "GRIDWATCH_CAMERA_PASSWORD"  # noqa: S105 - the name of it
_MAX_ID = 63


def skeleton(findings: Sequence[Finding], logins: Sequence[Credentials], site: SitePath, at: datetime) -> str:
    """YAML that `check-config` accepts, with a variable in place of each password; what needs a person is a comment.

    Texts that come from devices can neither break out of their quotes nor name a variable.
    """
    usable = [(one, one.said) for one in findings if one.said is not None and choose_profile(one.said.profiles)]
    used = sorted({one.login for one, _ in usable if one.login is not None})
    variables = {number: _variable(number, len(used)) for number in used}
    lines = [
        f"# Found by `gridwatch discover` at {at:%Y-%m-%dT%H:%M:%SZ}, for the site {site}.",
        "# Paste what is under `cameras` into the deployment, and give each camera its position: longitude, latitude.",
    ]
    lines += [
        f"# Set {variable} in gridwatch's environment: the password of {_quoted(logins[number].username)}."
        for number, variable in variables.items()
    ]
    left_out = [one for one in findings if not any(one is camera for camera, _ in usable)]
    lines += [f"# Left out: {one.host}:{one.port}: {_why(one)}" for one in left_out]
    lines.append("cameras:" if usable else "cameras: []")
    taken: set[str] = set()
    for finding, said in usable:
        identifier = _unique(_identifier(finding, said), taken)
        login = None if finding.login is None else (logins[finding.login].username, variables[finding.login])
        lines += _camera(identifier, finding.url, said, site, login)
    return "\n".join(lines) + "\n"


def describe_profile(profile: VideoProfile) -> str:
    """`H264 704x576, 12.5 a second`."""
    rate = f", {profile.fps:g} a second" if profile.fps else ""
    return f"{profile.codec} {profile.width}x{profile.height}{rate}"


def _camera(
    identifier: str, url: str, said: DeviceDescription, site: SitePath, login: tuple[str, str] | None
) -> Iterator[str]:
    yield f"  - id: {identifier}"
    yield f"    name: {_quoted(f'{said.make} {said.model}'.strip())}"
    yield f"    site: {_quoted(str(site))}"
    yield "    position: [0.0, 0.0]  # where it stands"
    yield "    source:"
    yield "      onvif:"
    yield f"        url: {_quoted(url)}"
    if login is not None:
        yield f"        username: {_quoted(login[0])}"
        yield f'        password: "${{{login[1]}}}"'
    chosen = choose_profile(said.profiles)
    for profile in sorted(said.profiles, key=lambda one: one is not chosen):
        mark = " (the one taken unless another is named)" if profile is chosen else ""
        yield f"        # profile: {_quoted(profile.token)}  # {describe_profile(profile)}{mark}"


def _why(finding: Finding) -> str:
    return finding.problem or "lists no H.264 or H.265 profile"


def _variable(number: int, used: int) -> str:
    return PASSWORD_VARIABLE if used == 1 else f"{PASSWORD_VARIABLE}_{number + 1}"


def _identifier(finding: Finding, said: DeviceDescription) -> str:
    """From model and serial number, which stay when the address changes; from the address where it tells neither."""
    model, serial = _slug(said.model), _slug(said.serial)
    name = serial if model in serial else f"{model}-{serial}".strip("-")
    return name[-_MAX_ID:].strip("-") or _slug(f"camera-{finding.host}-{finding.port}")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _unique(identifier: str, taken: set[str]) -> str:
    name, number = identifier, 1
    while name in taken:
        number += 1
        name = f"{identifier[: _MAX_ID - 5]}-{number}"
    taken.add(name)
    return name


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes on one line, in which `${` names no variable."""
    harmless = text.replace("${", "$ {")
    return str(yaml.safe_dump(harmless, default_style='"', allow_unicode=True, width=2**31)).strip()
