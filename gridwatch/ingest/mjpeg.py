"""Opens motion JPEG over HTTP, as cameras without RTSP serve it, with PyAV."""

from pathlib import Path

import av

from gridwatch.ingest.errors import CameraRefused, CameraUnreachable, IngestError, NoVideo
from gridwatch.ingest.rtsp import OPEN_SECONDS, tls_options, without_url
from gridwatch.ingest.urls import Credentials, endpoint, with_credentials

_OPTIONS = {
    # The format carries no times: those of arrival are all there is.
    "use_wallclock_as_timestamps": "1",
    # A redirect may lead elsewhere on the network, never to a file.
    "protocol_whitelist": "http,https,tcp,tls,crypto",
}


def open_mjpeg(
    camera: str, url: str, credentials: Credentials | None, read_seconds: float, tls_ca: Path | None = None
) -> av.container.InputContainer:
    """Connect to `url` (http or https, without user information) and read up to the first picture.

    Digest and Basic are answered as asked for; a redirect to another place is followed without credentials. Blocks
    about 2 x OPEN_SECONDS; the caller closes. `read_seconds` and `tls_ca` as in `rtsp.open_stream`.
    Raises CameraRefused, CameraUnreachable or NoVideo.
    """
    try:
        return av.open(
            with_credentials(url, credentials),
            format="mpjpeg",
            options=_OPTIONS | tls_options(tls_ca),
            timeout=(OPEN_SECONDS, read_seconds),
        )
    except av.FFmpegError as error:
        raise _why_not(camera, url, error) from without_url(error)


def _why_not(camera: str, url: str, error: av.FFmpegError) -> IngestError:
    where = endpoint(url)
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return CameraRefused(camera, f"{where} refused the user name or password", "correct them")
        case av.error.InvalidDataError() | av.error.EOFError():
            return NoVideo(camera, f"{where} gives no motion JPEG at that path", "correct the path")
        case av.error.HTTPError() | av.error.HTTPClientError() | av.error.HTTPServerError():
            return NoVideo(camera, f"{where} gives no stream ({error.strerror})", "correct the path")
        case av.error.ExitError() | av.error.TimeoutError():
            problem = f"{where} did not answer within {OPEN_SECONDS:g} s"
            return CameraUnreachable(camera, problem, "check its power and network")
        case _:
            problem = f"no picture came from {where} ({error.strerror})"
            return CameraUnreachable(camera, problem, "check its address, power, network, encoder and certificate")
