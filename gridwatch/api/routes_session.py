"""Logging in and out."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Request, Response, status
from pydantic import AfterValidator, BaseModel, SecretStr, StringConstraints

from gridwatch.api.access import COOKIE, LoggedIn, comes_from_another_site
from gridwatch.api.context import Context, Ctx
from gridwatch.api.errors import CrossSite, NotLoggedIn, TooManyAttempts, problems
from gridwatch.api.login import new_token, token_hash
from gridwatch.api.text import Line
from gridwatch.api.views import AccountView, SessionView
from gridwatch.domain import Account, AuditEntry

router = APIRouter(tags=["session"])


def _encodable(password: SecretStr) -> SecretStr:
    try:
        password.get_secret_value().encode()
    except UnicodeEncodeError:
        # From None: the original message quotes a part of the password.
        raise ValueError("holds half of a surrogate pair, which is no character") from None
    return password


class Credentials(BaseModel):
    """Who wants in."""

    name: Annotated[Line, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[SecretStr, StringConstraints(min_length=1, max_length=1024), AfterValidator(_encodable)]


@router.post("/v1/session", status_code=status.HTTP_201_CREATED, responses=problems(401, 403, 429))
async def log_in(request: Request, response: Response, ctx: Ctx, credentials: Credentials) -> SessionView:
    """Log in with name and password.

    Answers with a bearer token for programs, and sets the same as an HttpOnly, SameSite=Strict cookie for the page.
    After five failures for a name or from an address the next attempt has to wait a minute.
    """
    if comes_from_another_site(request):
        raise CrossSite("The login was sent by another site's page.", "Log in on the console's own page.")
    address = request.client.host if request.client else "unknown"
    async with _attempt(ctx, (f"name:{credentials.name}", f"address:{address}")):
        account = await _verified(ctx, credentials, address)
    now = ctx.clock.now()
    token, expires_at = new_token(), now + ctx.settings.session
    await ctx.services.audit.record(
        AuditEntry(at=now, account=account.name, action="login", subject=address, reason="")
    )  # fmt: skip
    await ctx.services.accounts.open_session(token_hash(token), account.name, expires_at)
    ctx.metrics.logins.labels("accepted").inc()
    response.set_cookie(
        COOKIE, token, max_age=int(ctx.settings.session.total_seconds()), httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return SessionView(token=token, expires_at=expires_at, account=AccountView.of(account))


@asynccontextmanager
async def _attempt(ctx: Context, keys: Sequence[str]) -> AsyncIterator[None]:
    """Count an attempt unless it succeeds or never came to a verdict. Raises TooManyAttempts."""
    wait = ctx.limiter.begin(keys)
    if wait > 0:
        ctx.metrics.logins.labels("limited").inc()
        seconds = math.ceil(wait)
        raise TooManyAttempts(
            "Too many failed logins for this name or from this address.",
            f"Try again in {seconds} seconds.", {"Retry-After": str(seconds)},
        )  # fmt: skip
    try:
        yield
    except NotLoggedIn:
        raise
    except BaseException:
        ctx.limiter.take_back(keys)
        raise
    ctx.limiter.take_back(keys)
    ctx.limiter.forget(keys[0])


async def _verified(ctx: Context, credentials: Credentials, address: str) -> Account:
    account = await ctx.services.accounts.account(credentials.name)
    password = credentials.password.get_secret_value()
    if await ctx.passwords.verify(account.password_hash if account else None, password) and account:
        return account
    ctx.metrics.logins.labels("refused").inc()
    # A name that does not exist is not written down: people type passwords into the wrong field.
    name = account.name if account else "(unknown)"
    await ctx.services.audit.record(
        AuditEntry(at=ctx.clock.now(), account=name, action="login.refused", subject=address, reason="wrong password")
    )
    raise NotLoggedIn("The name or the password is wrong.", "Check both; an administrator can set a new password.")


@router.get("/v1/session", responses=problems(401))
async def who_am_i(login: LoggedIn) -> AccountView:
    """The account that is logged in."""
    return AccountView.of(login.account)


@router.delete("/v1/session", status_code=status.HTTP_204_NO_CONTENT, responses=problems(401, 403))
async def log_out(response: Response, ctx: Ctx, login: LoggedIn) -> None:
    """End this session, here and in its open streams."""
    await ctx.services.accounts.close_session(login.token_sha256)
    await ctx.services.audit.record(
        AuditEntry(at=ctx.clock.now(), account=login.account.name, action="logout", subject="session", reason="")
    )
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
