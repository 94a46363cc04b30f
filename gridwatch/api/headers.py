"""What every answer carries, and what every request is counted under."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridwatch.api.context import Context

# The page loads its own files and pictures it fetched itself (blob:), and talks to this server; nothing else.
CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "connect-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
))  # fmt: skip
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Envelope:
    """ASGI middleware: security headers, no caching of data, request counts. Does not buffer, so streams pass."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._context.clock.monotonic()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope["path"])
                self._count(scope, message["status"], self._context.clock.monotonic() - started)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # The route, not the path: ids and guesses in paths would make label sets without bound.
        route = getattr(scope.get("route"), "path", "none")
        self._context.metrics.requests.labels(_known(scope["method"]), route, str(status)).inc()
        self._context.metrics.seconds.labels(route).observe(seconds)


def _known(method: str) -> str:
    return method if method in {"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"} else "other"


def _add_headers(headers: MutableHeaders, path: str) -> None:
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    # Pages revalidate; data of a session must not lie in a shared browser's cache.
    headers.setdefault("Cache-Control", "no-store" if path.startswith("/v1/") else "no-cache")
