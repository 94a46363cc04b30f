"""A broker of the plan as the text of Mosquitto's files (mosquitto.conf(5), 2.0 and later). Pure."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from gridwatch.app.brokers.plan import Account, Broker
from gridwatch.bus import MAX_EVIDENCE_BYTES, RECEIVE_MAXIMUM

MESSAGE_LIMIT = 2 * MAX_EVIDENCE_BYTES
"""Largest packet: evidence with room for its header."""
_ROUNDS = 101
"""Mosquitto's own; the passwords are generated and need no stretching."""

# Mosquitto 2.0 is durable only when it saves after each change, and over its queue limits it drops without a word,
# so the queue is large; outbox and the recorder's acknowledgements hold the guarantee.
DURABLE = """\
persistence true
persistence_file mosquitto.db
autosave_interval 1
autosave_on_changes true
persistent_client_expiration 30d
max_inflight_messages {inflight}
max_queued_messages 1000000
max_packet_size {limit}
log_type error
log_type warning
"""
_BROKER = """\
# {title}
# Written by `gridwatch broker-config`; it is written again whenever the tree of sites changes.
listener {port}
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
tls_version tlsv1.2
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
persistence_location {data}/
log_dest stderr
"""
_BRIDGE = """
# To the district. While the link is down this broker works alone and keeps what it has to pass on.
connection {name}
address {host}:{port}
bridge_protocol_version mqttv50
remote_clientid bridge@{site}
remote_username {username}
remote_password {password}
cleansession false
local_cleansession false
{topics}
notifications true
notifications_local_only true
try_private true
keepalive_interval 10
restart_timeout 1 30
bridge_cafile {folder}/ca.pem
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """Where a broker finds its files once they are installed."""

    configuration: PurePath
    data: PurePath


def render_conf(broker: Broker, folders: Folders, passwords: Mapping[str, str]) -> str:
    """mosquitto.conf; it holds the password of the bridge. `passwords`: by name of the account."""
    text = _BROKER.format(
        title=f"Broker of {broker.site}", port=broker.place.port, folder=folders.configuration, data=folders.data
    ) + DURABLE.format(limit=MESSAGE_LIMIT, inflight=RECEIVE_MAXIMUM)
    if broker.upstream is None:
        return text
    return text + _BRIDGE.format(
        name=broker.name, host=broker.upstream.place.host, port=broker.upstream.place.port, site=broker.site,
        username=broker.bridge.name, password=passwords[broker.bridge.name], topics=_bridged(broker),
        folder=folders.configuration,
    )  # fmt: skip


def _bridged(broker: Broker) -> str:
    lines = [f"topic {topics} out 1" for topics in broker.bridged_topics]
    return "\n".join([*lines, *(f"topic {topics} both 1" for topics in broker.exchanged_topics)])


def render_acl(accounts: tuple[Account, ...]) -> str:
    """The ACL file: what is not allowed is refused."""
    parts = []
    for account in accounts:
        lines = [f"user {account.name}", *(f"topic {one.access} {one.topics}" for one in account.grants)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def render_passwords(accounts: tuple[Account, ...], passwords: Mapping[str, str]) -> str:
    """The password file, hashed; salted anew each time."""
    return "".join(f"{one.name}:{hash_password(passwords[one.name])}\n" for one in accounts)


def hash_password(password: str) -> str:
    """What follows the name in Mosquitto's password file: PBKDF2-SHA512 as mosquitto_passwd writes it (2.0, type 7)."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, 64)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
