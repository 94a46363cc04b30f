"""The demo's operator: logs in and reads the API, as any client would."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from gridwatch.api.views import CameraView, CasePage, CaseView, IncidentPage, IncidentRecordView, SessionView
from gridwatch.domain import GridwatchError

_PAGE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What the API says now."""

    cameras: Sequence[CameraView] = ()
    incidents: Sequence[IncidentRecordView] = ()
    """The newest first."""
    cases: Sequence[CaseView] = ()


class LoginFailed(GridwatchError):  # noqa: N818  (reads as what happened)
    """The API refused the demo's own operator, or failed."""


class ApiClient:
    """A logged-in client. For one thread."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=2.0)

    def is_up(self) -> bool:
        """True once the API and its database answer."""
        try:
            return self._http.get("/healthz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def log_in(self, name: str, password: str) -> str:
        """Log in; returns the token. Raises LoginFailed."""
        try:
            answer = self._http.post("/v1/session", json={"name": name, "password": password}).raise_for_status()
        except httpx.HTTPError as error:
            raise LoginFailed(f"cannot log in as {name}: {error}") from error
        token = SessionView.model_validate_json(answer.content).token
        self._http.headers["Authorization"] = f"Bearer {token}"
        return token

    def look(self) -> Snapshot | None:
        """What there is now, None when the API does not answer."""
        try:
            cameras = self._get("/v1/cameras")
            incidents = self._get("/v1/incidents")
            cases = self._get("/v1/cases")
        except httpx.HTTPError:
            return None
        return Snapshot(
            cameras=[CameraView.model_validate(one) for one in cameras.json()],
            incidents=IncidentPage.model_validate_json(incidents.content).items,
            cases=CasePage.model_validate_json(cases.content).items,
        )

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def _get(self, path: str) -> httpx.Response:
        return self._http.get(path, params={"limit": _PAGE} if path != "/v1/cameras" else {}).raise_for_status()
