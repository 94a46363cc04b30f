"""The part of the AsyncAPI document about commands: requests that gridwatch receives, and its replies."""

from typing import Final

from gridwatch.bus.asyncapi_json import Json
from gridwatch.bus.command_topics import ANSWER_ROOT, COMMAND_ROOT, PICTURE
from gridwatch.bus.wire import EVENT_CONTENT_TYPE, EVIDENCE_CONTENT_TYPE, MAX_EVIDENCE_BYTES
from gridwatch.domain import CommandName

_MQTT_BINDING: Final = "0.2.0"
_PLACE: Final = "{district}/{substation}/{checkpoint}/{camera}"
PARAMETERS: Final[dict[str, Json]] = {
    "command": {"description": "What is asked for.", "enum": [str(name) for name in CommandName]},
    "account": {"description": "Who asks: the name at the broker, with `:` for `/`."},
    "inbox": {"description": "What an asker tells its answers by: letters, digits, `_` and `-`."},
}
ADDRESSES: Final = {
    "command": f"{COMMAND_ROOT}/{_PLACE}/{{command}}/{{account}}",
    "answer": f"{ANSWER_ROOT}/{_PLACE}/{{account}}/{{inbox}}",
    "picture": f"{ANSWER_ROOT}/{_PLACE}/{{account}}/{{inbox}}/{PICTURE}",
}
_CORRELATION: Final[Json] = {"location": "$message.header#/correlationData"}
_HEADERS: Final[Json] = {
    "type": "object",
    "properties": {
        "responseTopic": {"type": "string", "description": f"Response topic of MQTT 5: `{ADDRESSES['answer']}`."},
        "correlationData": {"type": "string", "format": "binary", "description": "Correlation data of MQTT 5, echoed."},
    },
}
MESSAGES: Final[dict[str, Json]] = {
    "command": {
        "title": "Somebody wants something of whoever has a camera",
        "summary": "CloudEvents 1.0 in structured mode; sent again under the same id, it takes effect once.",
        "contentType": EVENT_CONTENT_TYPE,
        "headers": _HEADERS,
        "correlationId": _CORRELATION,
        "payload": {"$ref": "./command-1.json"},
    },
    "answer": {
        "title": "What became of a command",
        "summary": "CloudEvents 1.0 in structured mode: done, or why not.",
        "contentType": EVENT_CONTENT_TYPE,
        "headers": _HEADERS,
        "correlationId": _CORRELATION,
        "payload": {"$ref": "./answer-1.json"},
    },
    "picture": {
        "title": "The masked picture of a snapshot",
        "summary": f"At most {MAX_EVIDENCE_BYTES} bytes; the answer after it names it by its SHA-256.",
        "contentType": EVIDENCE_CONTENT_TYPE,
        "payload": {"type": "string", "format": "binary"},
    },
}


def operations() -> dict[str, Json]:
    """Receiving a command, with its reply, and sending a picture."""
    binding: Json = {"mqtt": {"qos": 1, "retain": False, "bindingVersion": _MQTT_BINDING}}
    reply: Json = {
        "address": {"location": "$message.header#/responseTopic"},
        "channel": {"$ref": "#/channels/answer"},
    }
    return {
        "receive-command": {
            "action": "receive", "channel": {"$ref": "#/channels/command"}, "summary": MESSAGES["command"]["summary"],
            "bindings": binding, "reply": reply,
        },
        "send-picture": {
            "action": "send", "channel": {"$ref": "#/channels/picture"}, "summary": MESSAGES["picture"]["summary"],
            "bindings": binding,
        },
    }  # fmt: skip
