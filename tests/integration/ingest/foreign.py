"""An ONVIF device that is not ours: ipycam's device and media services, and its MJPEG stream.

Its HTTP server is run without the rest of it, whose WS-Discovery would speak to the network that the tests run in.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

pytest.importorskip("ipycam", reason="the foreign ONVIF device: pip install --no-deps ipycam")

from ipycam.config import CameraConfig
from ipycam.http import IPCameraHTTPHandler
from ipycam.mjpeg import MJPEGStreamer
from ipycam.onvif import ONVIFService


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@dataclass
class Ipycam:
    """What the HTTP handler needs of a camera."""

    config: CameraConfig
    onvif: ONVIFService
    mjpeg_streamer: MJPEGStreamer

    @property
    def device_url(self) -> str:
        return f"http://127.0.0.1:{self.config.onvif_port}/onvif/device_service"

    @property
    def mjpeg_url(self) -> str:
        return f"http://127.0.0.1:{self.config.onvif_port}/{self.config.mjpeg_url}"


@contextmanager
def ipycam(**config: object) -> Iterator[Ipycam]:
    """A running device; `config` is of ipycam's CameraConfig."""
    with _Server(("127.0.0.1", 0), IPCameraHTTPHandler) as server:
        settings = CameraConfig(onvif_port=server.server_address[1], **{"local_ip": "192.168.1.64"} | config)
        camera = Ipycam(config=settings, onvif=ONVIFService(settings), mjpeg_streamer=MJPEGStreamer())
        IPCameraHTTPHandler.camera = camera
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="ipycam")
        thread.start()
        camera.mjpeg_streamer.start()
        try:
            yield camera
        finally:
            camera.mjpeg_streamer.stop()
            server.shutdown()
            thread.join()
            IPCameraHTTPHandler.camera = None
