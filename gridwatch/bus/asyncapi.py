"""The contract as an AsyncAPI 3 document, from the topics, models and limits that the code itself uses."""

from typing import Final

from gridwatch.bus import asyncapi_commands as commands
from gridwatch.bus.asyncapi_json import Json
from gridwatch.bus.subscriber import SESSION_SECONDS
from gridwatch.bus.topics import ROOT, Channel, local_onvif_topic
from gridwatch.bus.wire import (
    EVENT_CONTENT_TYPE,
    EVIDENCE_CONTENT_TYPE,
    MAX_EVENT_BYTES,
    MAX_EVIDENCE_BYTES,
    STATE_CONTENT_TYPE,
)
from gridwatch.domain import MISSING_LEVEL, IncidentKind

_MQTT_BINDING: Final = "0.2.0"
_SITE: Final = f"{ROOT}/{{district}}/{{substation}}/{{checkpoint}}"
_PARAMETERS: Final[dict[str, Json]] = {
    "district": {"description": "Id of the district, the root of the tree of sites."},
    "substation": {"description": f"Id of the police substation; `{MISSING_LEVEL}` for the district's own."},
    "checkpoint": {"description": f"Id of the checkpoint; `{MISSING_LEVEL}` for the substation's own."},
    "camera": {"description": "Id of the camera."},
    "kind": {"description": "What happened.", "enum": [str(kind) for kind in IncidentKind]},
    "incident": {"description": "Id of the incident the picture or clip belongs to: a UUIDv7 in lower case."},
    "node": {"description": "Id of the worker node."},
    "onvif_topic": {
        "description": "Topic of ONVIF, without its namespace: several levels.",
        "enum": list(dict.fromkeys(local_onvif_topic(kind) for kind in IncidentKind)),
    },
    "source": {
        "description": "Values of the message's source items, in their order: one to three levels.",
    },
}
_ADDRESSES: Final = {
    Channel.INCIDENT: f"{_SITE}/{{camera}}/incident/{{kind}}",
    Channel.EVIDENCE: f"{_SITE}/{{camera}}/evidence/{{incident}}",
    Channel.CLIP: f"{_SITE}/{{camera}}/clip/{{incident}}",
    Channel.OBSERVATION: f"{_SITE}/{{camera}}/observation",
    Channel.STATE: f"{_SITE}/{{camera}}/state",
    Channel.POSITION: f"{_SITE}/{{camera}}/position",
    Channel.NODE: f"{_SITE}/{MISSING_LEVEL}/node/{{node}}/state",
    Channel.ONVIF: f"{_SITE}/{{camera}}/{Channel.ONVIF}/{{onvif_topic}}/&{{source}}",
}
_MESSAGES: Final[dict[Channel, Json]] = {
    Channel.INCIDENT: {
        "title": "A step in the life of an incident",
        "summary": f"CloudEvents 1.0 in structured mode, at most {MAX_EVENT_BYTES} bytes: raised, updated, cleared.",
        "contentType": EVENT_CONTENT_TYPE,
        "payload": {"$ref": "./incident-1.json"},
    },
    Channel.EVIDENCE: {
        "title": "A masked picture of an incident",
        "summary": f"At most {MAX_EVIDENCE_BYTES} bytes; the incident names it by its SHA-256.",
        "contentType": EVIDENCE_CONTENT_TYPE,
        "payload": {"type": "string", "format": "binary"},
    },
    Channel.CLIP: {
        "title": "A worker keeps a clip of an incident",
        "summary": "Its hash and measures; the video stays on the worker, since nobody in it is masked.",
        "contentType": STATE_CONTENT_TYPE,
        "payload": {"$ref": "./clip-1.json"},
    },
    Channel.OBSERVATION: {
        "title": "What a camera saw in a minute",
        "summary": "Counts by class, share of motion, frames and drops; given up first by an outbox that runs full.",
        "contentType": STATE_CONTENT_TYPE,
        "payload": {"$ref": "./observation-1.json"},
    },
    Channel.STATE: {
        "title": "What a camera is doing",
        "summary": "The latest wins; published again after every connection of its worker.",
        "contentType": STATE_CONTENT_TYPE,
        "payload": {"$ref": "./camera-state-1.json"},
    },
    Channel.POSITION: {
        "title": "Where a camera that moves was",
        "summary": "Written by whoever knows, read by the camera's worker.",
        "contentType": STATE_CONTENT_TYPE,
        "payload": {"$ref": "./position-1.json"},
    },
    Channel.NODE: {
        "title": "What a worker node is doing",
        "summary": "`lost` is the node's last will, written by the broker.",
        "contentType": STATE_CONTENT_TYPE,
        "payload": {"$ref": "./node-state-1.json"},
    },
    Channel.ONVIF: {
        "title": "An incident in ONVIF's own JSON",
        "summary": "Core specification 9.12, where switched on. Retained where it lasts, not for a crossed line.",
        "contentType": STATE_CONTENT_TYPE,
        "payload": {"$ref": "./onvif-event-1.json"},
    },
}
_RETAINED: Final = frozenset({Channel.STATE, Channel.POSITION, Channel.NODE, Channel.ONVIF})


def render_asyncapi(version: str) -> Json:
    """The document for this `version` of the program, as seen by gridwatch: it sends what others subscribe to."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:gridwatch:asyncapi:1",
        "info": {
            "title": "gridwatch over MQTT",
            "version": version,
            "description": "Incidents, evidence and states of public-area cameras. Incidents, not identities.\n\n"
            "MQTT 5, QoS 1. At least once, in order per camera; deduplicate on (`data.id`, `data.seq`).",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": STATE_CONTENT_TYPE,
        "servers": {"broker": _server()},
        "channels": {name: _channel(name, address) for name, address in _addresses().items()},
        "operations": {
            **{_operation_name(channel): _operation(channel) for channel in Channel},
            **commands.operations(),
        },
        "components": {"messages": dict(_messages())},
    }


def _server() -> Json:
    return {
        "host": "{host}:{port}",
        "protocol": "mqtt",
        "protocolVersion": "5.0",
        "description": "Mosquitto 2 or any MQTT 5 broker with durable sessions; with TLS the protocol is `mqtts`.",
        "variables": {"host": {"default": "localhost"}, "port": {"default": "1883"}},
        "bindings": {
            "mqtt": {
                "cleanSession": False,
                "sessionExpiryInterval": SESSION_SECONDS,
                "lastWill": {"topic": _ADDRESSES[Channel.NODE], "qos": 1, "retain": True},
                "bindingVersion": _MQTT_BINDING,
            }
        },
    }


def _addresses() -> dict[str, str]:
    return {str(channel): _ADDRESSES[channel] for channel in Channel} | commands.ADDRESSES


def _messages() -> dict[str, Json]:
    return {str(channel): message for channel, message in _MESSAGES.items()} | commands.MESSAGES


def _channel(name: str, address: str) -> Json:
    parameters = {**_PARAMETERS, **commands.PARAMETERS}
    return {
        "address": address,
        "title": _messages()[name]["title"],
        "parameters": {one: text for one, text in parameters.items() if f"{{{one}}}" in address},
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _operation_name(channel: Channel) -> str:
    return f"receive-{channel}" if channel is Channel.POSITION else f"send-{channel}"


def _operation(channel: Channel) -> Json:
    return {
        "action": "receive" if channel is Channel.POSITION else "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": _MESSAGES[channel]["summary"],
        "bindings": {"mqtt": {"qos": 1, "retain": channel in _RETAINED, "bindingVersion": _MQTT_BINDING}},
    }
