"""The application: REST, live stream and the first page over the ports of `ApiServices`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from gridwatch import __version__
from gridwatch.api import (
    errors,
    routes_cases,
    routes_counts,
    routes_holds,
    routes_incidents,
    routes_operations,
    routes_session,
    routes_stream,
    routes_tree,
)
from gridwatch.api.context import ApiServices, ApiSettings, Context
from gridwatch.api.deadline import Deadline
from gridwatch.api.headers import Envelope
from gridwatch.api.login import LoginLimiter, Passwords
from gridwatch.api.metrics import ApiMetrics
from gridwatch.api.streams import Streams
from gridwatch.domain import Clock

EVENT_STREAM = "text/event-stream"
PROBLEM_REF = "#/components/schemas/Problem"
STATIC = Path(__file__).parent / "static"

DESCRIPTION = """\
Incidents, cameras and grid cases of a district, as they are and as they happen.

Every account is bound to a site and sees that site and everything below it. Times are ISO 8601 in UTC, places GeoJSON
(longitude first). Errors are RFC 9457 problem details; each names the remedy.
"""
TAGS = [
    {"name": "session", "description": "Logging in and out."},
    {"name": "tree", "description": "Sites, cameras, grids, and the words shown for them."},
    {"name": "incidents", "description": "What happened, and its evidence."},
    {"name": "counts", "description": "How much happened, by time, kind and grid, and what cameras saw by the minute."},
    {"name": "cases", "description": "Work in a grid, followed until it is evaluated."},
    {"name": "live stream", "description": "Incidents as they are committed."},
    {"name": "holds", "description": "What must not be deleted, why, for whom and until when."},
    {"name": "operations", "description": "Audit, health and metrics."},
]
ROUTERS = (
    routes_session.router, routes_tree.router, routes_incidents.router, routes_counts.router, routes_cases.router,
    routes_stream.router, routes_holds.router, routes_operations.router,
)  # fmt: skip


def create_app(
    services: ApiServices, settings: ApiSettings, clock: Clock, passwords: Passwords | None = None
) -> FastAPI:
    """An app over `services`, which it neither opens nor closes. No I/O; takes some 50 ms for one password hash.

    `passwords` is taken over and closed with the app. Serve it with `ApiServer`, or, under another server, call
    `app.state.context.streams.close()` before asking that server to stop: open streams never end by themselves.
    """
    context = Context(
        services=services, settings=settings, clock=clock, passwords=passwords or Passwords(),
        limiter=LoginLimiter(clock, settings.login_failures, settings.login_wait_s),
        metrics=ApiMetrics(services.registry), streams=Streams(settings.max_streams),
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            context.streams.close()
            await asyncio.to_thread(context.passwords.close)

    app = FastAPI(
        title="gridwatch", version=__version__, description=DESCRIPTION, openapi_tags=TAGS, lifespan=lifespan,
        docs_url=None, redoc_url=None,  # both load scripts from elsewhere
        generate_unique_id_function=_operation_id,
    )  # fmt: skip
    app.state.context = context
    errors.register(app)
    for router in ROUTERS:
        app.include_router(router)
    _serve_page(app)
    _document_problems(app)
    app.add_middleware(Deadline, context=context)
    app.add_middleware(Envelope, context=context)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _serve_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")

    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")


def _document_problems(app: FastAPI) -> None:
    """Give refusals their media type in the OpenAPI document, where FastAPI can only say application/json."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, tags=TAGS
            )  # fmt: skip
            for path in document["paths"].values():
                for operation in path.values():
                    _retype(operation["responses"])
            for unused in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _retype(responses: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": PROBLEM_REF}}
    for status, response in responses.items():
        content = response.get("content", {})
        if status == "422":
            response["description"] = "A parameter does not read; `errors` names each."
            response["content"] = {errors.PROBLEM_JSON: problem}
        elif any(one.get("schema", {}).get("$ref") == PROBLEM_REF for one in content.values()):
            response["content"] = {errors.PROBLEM_JSON: problem}
        elif EVENT_STREAM in content:
            # OpenAPI 3.1 has no words for the items of a stream; the schema of `data` is an extension.
            data = content[EVENT_STREAM]["schema"]["$ref"]
            response["content"] = {EVENT_STREAM: {"schema": {"type": "string"}, "x-event-data": {"$ref": data}}}
