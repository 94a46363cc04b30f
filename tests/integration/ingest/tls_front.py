"""TLS in front of a plain server, as a camera with https or rtsps has it."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TLS = Path(__file__).parents[2] / "data" / "tls"


@contextmanager
def tls_front(port: int, certificate: str = "camera.pem") -> Iterator[int]:
    """A port that speaks TLS and passes on to `port`, both on 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / certificate)
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def start(target: object, *arguments: object) -> None:
        threads.append(threading.Thread(target=target, args=arguments))
        threads[-1].start()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        try:
            inside = context.wrap_socket(client, server_side=True)
        except OSError:
            client.close()
            return
        outside = socket.create_connection(("127.0.0.1", port))
        sockets.extend((inside, outside))
        start(pump, inside, outside)
        pump(outside, inside)

    def accept() -> None:
        with suppress(OSError):
            while True:
                start(serve, listening.accept()[0])

    listening = socket.create_server(("127.0.0.1", 0))
    start(accept)
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        for one in (listening, *sockets):
            one.close()
