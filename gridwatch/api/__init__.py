"""HTTP: REST, live stream, authentication, first page."""

from gridwatch.api.app import create_app
from gridwatch.api.context import ApiServices, ApiSettings, HealthCheck
from gridwatch.api.login import MIN_PASSWORD, Passwords, hash_password
from gridwatch.api.server import ApiServer, CannotListen, ServerFailed

__all__ = [
    "MIN_PASSWORD", "ApiServer", "ApiServices", "ApiSettings", "CannotListen", "HealthCheck", "Passwords",
    "ServerFailed", "create_app", "hash_password",
]  # fmt: skip
