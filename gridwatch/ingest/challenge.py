"""What kind of proof an RTSP server wants of a password, asked without giving one.

FFmpeg proves passwords by Basic and by Digest with MD5 only, and of several Digest challenges it takes the last
(libavformat/httpauth.c of FFmpeg 8.1). What it cannot give is given by `relay`, or the user is told, and not that the
password is wrong.
"""

import socket
import ssl
from contextlib import ExitStack

from gridwatch.ingest.digest import Challenge, read_challenges
from gridwatch.ingest.urls import origin

ASK_SECONDS = 2.0
"""Limit of connecting, and of each wait for more of the answer."""
_MAX_ANSWER = 16 * 1024


def asked_digest(url: str) -> Challenge | None:
    """The Digest challenge that FFmpeg would try to meet at `url`, which has no user information.

    None when none is asked for, or when the server does not say.
    """
    challenges = read_challenges(_refusal(url))
    return challenges[-1] if challenges else None


def _refusal(url: str) -> bytes:
    """The head of the server's answer to DESCRIBE without credentials; empty when there is none."""
    request = f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
    answer = b""
    try:
        scheme, host, port = origin(url)
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((host.strip("[]"), port), ASK_SECONDS))
            if scheme == "rtsps":
                # Nothing secret is said, so anybody may answer.
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                connection = stack.enter_context(context.wrap_socket(connection))
            connection.sendall(request.encode())
            while b"\r\n\r\n" not in answer and len(answer) < _MAX_ANSWER:
                more = connection.recv(4096)
                if not more:
                    break
                answer += more
    except (OSError, ValueError):
        return b""
    return answer.partition(b"\r\n\r\n")[0]
