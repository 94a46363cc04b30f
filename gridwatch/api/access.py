"""Who is asking, and what they may see: sessions, roles, and the subtree of the account's site."""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from gridwatch.api.context import Context, Ctx
from gridwatch.api.errors import BadRequest, CrossSite, Forbidden, NotFound, NotLoggedIn
from gridwatch.api.login import token_hash
from gridwatch.api.roles import AUDIT_READERS, CASE_READERS, EVIDENCE_VIEWERS, HOLD_KEEPERS, HOLD_READERS, WATCHERS
from gridwatch.api.text import Line
from gridwatch.domain import Account, Role, SitePath

COOKIE = "gridwatch_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(auto_error=False, description="The token `POST /v1/session` returned.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Set by `POST /v1/session`, for the page.")


@dataclass(frozen=True, kw_only=True)
class Login:
    """An account and the session it came with."""

    account: Account
    token_sha256: str


def is_same_origin(request: Request) -> bool:
    """True when a browser says that the page asking is ours; False when it says otherwise or says nothing.

    `Sec-Fetch-Site` cannot be set by a page; `Origin` is the older form (Fetch standard, 3.1 and 3.2.7).
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def comes_from_another_site(request: Request) -> bool:
    """True when a browser says the request was made by another site's page; programs say nothing."""
    says = "sec-fetch-site" in request.headers or "origin" in request.headers
    return says and not is_same_origin(request)


def is_loopback(request: Request) -> bool:
    """True when it comes from this machine and was not forwarded by a proxy on it."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def login_of(ctx: Context, token: str | None) -> Login:
    """The live session of `token`. Raises NotLoggedIn."""
    if token is None:
        raise NotLoggedIn("The request carries neither a bearer token nor a session cookie.")
    hashed = token_hash(token)
    account = await ctx.services.accounts.session(hashed, ctx.clock.now())
    if account is None:
        raise NotLoggedIn("The session has ended or never was.")
    return Login(account=account, token_sha256=hashed)


async def _login(
    request: Request,
    ctx: Ctx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Login:
    if bearer is not None:
        return await login_of(ctx, bearer.credentials)
    if cookie is not None and request.method not in SAFE_METHODS and not is_same_origin(request):
        raise CrossSite(
            "A cookie came with an unsafe method from a page that is not ours, or from a program.",
            "Use the console's own page, or send the token as `Authorization: Bearer`.",
        )
    return await login_of(ctx, cookie)


LoggedIn = Annotated[Login, Depends(_login)]
"""Parameter type of an endpoint open to every account."""


def require(login: Login, roles: frozenset[Role], what: str) -> None:
    """Raises Forbidden unless the account has one of `roles`."""
    if login.account.role not in roles:
        allowed = ", ".join(sorted(roles))
        raise Forbidden(f"The role {login.account.role} may not {what}.", f"Log in as one of: {allowed}.")


def _only(roles: frozenset[Role], what: str) -> Callable[[Login], Awaitable[Login]]:
    async def check(login: LoggedIn) -> Login:
        require(login, roles, what)
        return login

    return check


Watcher = Annotated[Login, Depends(_only(WATCHERS, "see incidents"))]
CaseReader = Annotated[Login, Depends(_only(CASE_READERS, "see cases"))]
EvidenceViewer = Annotated[Login, Depends(_only(EVIDENCE_VIEWERS, "see evidence"))]
AuditReader = Annotated[Login, Depends(_only(AUDIT_READERS, "read the audit"))]
HoldReader = Annotated[Login, Depends(_only(HOLD_READERS, "see legal holds"))]
HoldKeeper = Annotated[Login, Depends(_only(HOLD_KEEPERS, "place and release legal holds"))]

SiteField = Annotated[
    Line | None,
    Field(
        max_length=200,
        description="Only this site and below, as `district[/substation[/checkpoint]]`; default: the account's site.",
        examples=["demo/north"],
    ),
]


class SiteQuery(BaseModel):
    """Parameters of lists by site. A parameter we do not know is refused: a mistyped filter would show too much."""

    model_config = ConfigDict(extra="forbid")

    site: SiteField = None


async def scope_of(ctx: Context, login: Login, site: str | None) -> SitePath:
    """The subtree a request speaks of. Raises BadRequest, Forbidden (outside the account's) and NotFound (unknown)."""
    own = login.account.site
    if site is None:
        return own
    try:
        scope = SitePath.parse(site)
    except ValueError as error:
        raise BadRequest(f"{error}.", "Give a path that /v1/sites lists.") from error
    if not own.contains(scope):
        raise Forbidden(
            f"The site {scope} is outside {own}, which this account is bound to.", f"Ask for {own} or below."
        )
    if not await ctx.services.directory.sites(scope):
        raise NotFound(f"There is no site {scope}.", "Give a path that /v1/sites lists.")
    return scope
