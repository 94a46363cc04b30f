"""Passwords, tokens, and how often somebody may guess."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gridwatch.api.errors import Busy
from gridwatch.domain import Clock

MIN_PASSWORD = 12
"""Characters a new password must have."""
THREADS = 2
"""Verifications at a time: each takes 64 MiB and a core for some 50 ms."""
MAX_WAITING = 64
"""Verifications running or waiting; more are refused, so a flood of logins cannot pile up."""


def hash_password(password: str) -> str:
    """The argon2id hash to keep in `Account.password_hash`. Takes some 50 ms. Raises ValueError when too short."""
    if len(password) < MIN_PASSWORD:
        raise ValueError(f"a password needs at least {MIN_PASSWORD} characters")
    return PasswordHasher().hash(password)


def new_token() -> str:
    """An opaque session token of 256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the store keeps of a token: SHA-256 suffices because the token itself is random."""
    return hashlib.sha256(token.encode()).hexdigest()


class Passwords:
    """Verifies passwords in threads of its own. Event-loop only; `close()` ends the threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        # Verified for names that do not exist, so that they take as long as those that do.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._waiting = 0

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """True when `password` has that hash; None stands for a name that does not exist. Raises Busy."""
        if self._waiting >= MAX_WAITING:
            raise Busy("Too many logins at a time.", "Try again in a few seconds.", {"Retry-After": "5"})
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            matches = await loop.run_in_executor(self._threads, self._matches, password_hash or self._nobody, password)
        finally:
            self._waiting -= 1
        return matches and password_hash is not None

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Let running verifications end and start none."""
        self._threads.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _Attempts:
    failures: int
    latest: float


class LoginLimiter:
    """Counts failed logins by key (a name, an address) and makes the next one wait. Event-loop only.

    An attempt counts as failed from its start, so that many at once cannot all slip through; success takes it back.
    Failures are forgotten after `FORGET_S`. Memory is bounded: beyond `MAX_KEYS` the key unused longest goes.
    """

    FORGET_S = 900.0
    MAX_KEYS = 10_000

    def __init__(self, clock: Clock, failures: int, wait_s: float) -> None:
        self._clock = clock
        self._failures = failures
        self._wait_s = wait_s
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    def begin(self, keys: Sequence[str]) -> float:
        """0 when an attempt may be made, which is then counted; else the seconds to wait, and nothing is counted."""
        now = self._clock.monotonic()
        wait = max((self._wait(key, now) for key in keys), default=0.0)
        if wait > 0:
            return wait
        for key in keys:
            attempts = self._attempts.setdefault(key, _Attempts(0, now))
            attempts.failures += 1
            attempts.latest = now
            self._attempts.move_to_end(key)
        while len(self._attempts) > self.MAX_KEYS:
            self._attempts.popitem(last=False)
        return 0.0

    def take_back(self, keys: Sequence[str]) -> None:
        """The attempt did not fail: uncount it."""
        for key in keys:
            attempts = self._attempts.get(key)
            if attempts is not None:
                attempts.failures -= 1
                if attempts.failures <= 0:
                    del self._attempts[key]

    def forget(self, key: str) -> None:
        """Start over with `key`."""
        self._attempts.pop(key, None)

    def _wait(self, key: str, now: float) -> float:
        attempts = self._attempts.get(key)
        if attempts is None:
            return 0.0
        age = now - attempts.latest
        if age >= self.FORGET_S:
            del self._attempts[key]
            return 0.0
        return max(0.0, self._wait_s - age) if attempts.failures >= self._failures else 0.0
