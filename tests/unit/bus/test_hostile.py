"""Ten thousand hostile messages: each is read rightly or refused with a reason, and nothing else happens."""

from collections import Counter
from typing import Any

from gridwatch.bus import (
    CameraStateTopic,
    ClipTopic,
    EvidenceTopic,
    IncidentTopic,
    KeptClip,
    MalformedMessage,
    ObservationTopic,
    ReceivedEvidence,
    decode_clip,
    decode_evidence,
    decode_health,
    decode_incident,
    decode_observation,
    parse_topic,
)
from gridwatch.domain import CameraHealth, Incident, Observation
from tests.fixtures.hostile import Wire, good, hostile
from tests.fixtures.second_reader import moment, read

Read = Incident | ReceivedEvidence | KeptClip | CameraHealth | Observation


def decode(wire: Wire) -> Read | None:
    """As the recorder does; None for topics it does not follow."""
    match parse_topic(wire.topic):
        case IncidentTopic():
            return decode_incident(wire.topic, wire.payload, wire.content_type)
        case EvidenceTopic():
            return decode_evidence(wire.topic, wire.payload)
        case ClipTopic():
            return decode_clip(wire.topic, wire.payload)
        case CameraStateTopic():
            return decode_health(wire.topic, wire.payload)
        case ObservationTopic():
            return decode_observation(wire.topic, wire.payload)
    return None


def differences(ours: Read, channel: str, theirs: dict[str, Any]) -> list[str]:
    """Names of values on which the two readers disagree."""
    if isinstance(ours, ReceivedEvidence):
        return [] if (channel, theirs) == ("evidence", {"sha256": ours.sha256}) else ["picture"]
    if isinstance(ours, KeptClip):
        names = ("sha256", "media_type", "bytes", "width", "height", "masked")
        pairs: dict[str, tuple[object, object]] = {name: (getattr(ours.evidence, name), theirs[name]) for name in names}
        pairs |= {"captured_at": (ours.evidence.captured_at, moment(theirs["captured_at"]))}
        pairs |= {"seconds": (ours.seconds, theirs["seconds"]), "incident": (str(ours.incident), theirs["incident"])}
    elif isinstance(ours, Observation):
        names = ("camera", "frames", "analysed", "detected", "dropped", "moving", "fps")
        pairs = {name: (getattr(ours, name), theirs[name]) for name in names}
        pairs |= {"site": (str(ours.site), theirs["site"]), "minute": (ours.minute, moment(theirs["minute"]))}
        counted = [(one.label, one.most, one.sightings) for one in ours.classes]
        pairs["classes"] = (counted, [(one["label"], one["most"], one["sightings"]) for one in theirs["classes"]])
    elif isinstance(ours, CameraHealth):
        names = (
            "camera",
            "state",
            "reason",
            "frames",
            "analysed",
            "dropped",
            "detected",
            "detections",
            "incidents",
            "fps",
        )
        pairs = {name: (getattr(ours, name), theirs[name]) for name in names}
        pairs |= {name: (getattr(ours, name), moment(theirs[name])) for name in ("since", "observed_at")}
        pairs["site"] = (str(ours.site), theirs["site"])
    else:
        names = ("kind", "severity", "phase", "seq", "camera", "rule", "score", "count")
        pairs = {name: (getattr(ours, name), theirs[name]) for name in names}
        pairs |= {name: (getattr(ours, name), moment(theirs[name])) for name in ("occurred_at", "observed_at")}
        pairs |= {"id": (str(ours.id), theirs["id"]), "site": (str(ours.site), theirs["site"])}
        pairs["position"] = (
            (ours.position.lon, ours.position.lat),
            tuple(theirs["position"][k] for k in ("lon", "lat")),
        )
        boxes = [(b.box.x1, b.box.y1, b.box.x2, b.box.y2, b.label, b.score) for b in ours.boxes]
        pairs["boxes"] = (
            boxes,
            [tuple(b[k] for k in ("x1", "y1", "x2", "y2", "label", "score")) for b in theirs["boxes"]],
        )
        pairs["evidence"] = ([e.sha256 for e in ours.evidence], [e["sha256"] for e in theirs["evidence"]])
    return [name for name, (one, other) in pairs.items() if one != other]


def test_both_readers_take_every_frozen_example_and_agree() -> None:
    for wire in good():
        ours = decode(wire)
        assert ours is not None
        assert differences(ours, *read(wire)) == []


def test_a_seed_gives_the_same_messages() -> None:
    assert list(hostile(3, 100)) == list(hostile(3, 100))
    assert list(hostile(3, 100)) != list(hostile(4, 100))


def test_ten_thousand_hostile_messages_are_read_rightly_or_refused_with_a_reason() -> None:
    outcomes: Counter[str] = Counter()
    reasons: set[str] = set()
    for wire in hostile(1, 10_000):
        try:
            ours = decode(wire)
        except MalformedMessage as error:
            reasons.add(error.reason)
            outcomes["refused"] += 1
            continue
        if ours is None:
            outcomes["of no concern"] += 1
            continue
        # Whatever we take, somebody who knows only the published contract takes too, and reads the same in it.
        channel, theirs = read(wire)
        assert differences(ours, channel, theirs) == [], wire
        outcomes[channel] += 1
    assert [one for one in reasons if not one or not one.isprintable() or len(one) > 500] == []
    # It is worth something only if all of it happens: most are refused, and some of each channel are taken.
    assert outcomes["refused"] > 5000
    assert all(outcomes[channel] > 50 for channel in ("incident", "clip", "evidence", "state", "observation")), outcomes
