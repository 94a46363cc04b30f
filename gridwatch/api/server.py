"""Runs an app with uvicorn inside an event loop that belongs to somebody else."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import structlog
import uvicorn
from fastapi import FastAPI

from gridwatch.domain import GridwatchError, UsageError

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 1
"""How long uvicorn lets requests finish before it cancels them."""


class ServerFailed(GridwatchError):  # noqa: N818  reads as what happened
    """The server ended by itself, or its app could not start."""


class CannotListen(UsageError):  # noqa: N818
    """The address cannot be listened on."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers and its `sys.exit`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever owns the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        try:
            await super().startup(sockets)
        except SystemExit as error:
            # In a task it would tear the whole event loop down.
            raise ServerFailed("the API's app did not start; the log says why") from error
        self.up.set()


class ApiServer:
    """Owns a listening socket and the task that serves it. Event-loop only; start once, close as often as you like."""

    def __init__(self, app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on; after `start()` the actual one where 0 was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """Where to point a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)
        return (
            f"http://[{host}]:{self._port}"
            if ":" in host and not host.startswith("[")
            else f"http://{host}:{self._port}"
        )

    async def start(self) -> None:
        """Listen and serve; returns once connections are accepted. Raises CannotListen and ServerFailed."""
        listening = await _listen(self._host, self._port)
        self._port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app, log_config=None, access_log=False, server_header=False, lifespan="on", ws="none",
            # Nobody's word about an address is taken: it decides who may read metrics and who has to wait.
            proxy_headers=False, timeout_graceful_shutdown=DRAIN_SECONDS,
        )  # fmt: skip
        self._server = server = _Server(config)
        self._task = asyncio.create_task(server.serve([listening]), name="api-server")
        up = asyncio.create_task(server.up.wait(), name="api-server-up")
        try:
            await asyncio.wait({self._task, up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
        if self._task.done():
            listening.close()
            await self.wait()
        log.info("api_listening", url=self.url)

    async def wait(self) -> None:
        """Return once the server was closed. Raises ServerFailed when it ended by itself."""
        if self._task is None or self._server is None:
            raise RuntimeError("start() first")
        await asyncio.wait({self._task})
        if self._task.cancelled():
            return
        error = self._task.exception()
        if isinstance(error, ServerFailed):
            raise error
        if error is not None:
            raise ServerFailed(f"the API server ended: {error!r}") from error
        if not self._server.should_exit:
            raise ServerFailed("the API server ended by itself; the log says why")

    async def close(self, timeout: float = 5.0) -> None:
        """End open streams, let requests finish for a second, and stop; after `timeout` seconds, cut them off."""
        if self._task is None or self._server is None:
            return
        context = getattr(self._app.state, "context", None)
        if context is not None:  # an app without streams has none
            context.streams.close()
        self._server.should_exit = True
        _, pending = await asyncio.wait({self._task}, timeout=timeout)
        if pending:
            log.warning("api_cut_off", seconds=timeout)
            self._server.force_exit = True
            self._task.cancel()
            await asyncio.wait({self._task})
        log.info("api_closed")


async def _listen(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}: {error}; choose another services.api.host") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise CannotListen(
            f"cannot listen on {host}:{port}: {error.strerror}; stop what uses it or choose another services.api.port"
        ) from error
    listening.setblocking(False)
    return listening
