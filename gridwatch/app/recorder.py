"""Deliveries to the database: what is read of them, committed, set aside, and only then acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from gridwatch.bus import (
    CameraStateTopic,
    ClipTopic,
    Delivery,
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
from gridwatch.cases import CaseLinker
from gridwatch.domain import CameraHealth, Incident, Observation
from gridwatch.store import BadMessage, Database, StoreUnavailable

log = structlog.get_logger(__name__)

CONTRADICTS = "its incident is known with another time of occurrence, camera or site"


@dataclass(kw_only=True, slots=True)
class RecorderCounts:
    """What a recorder has done since it was made."""

    stored: int = 0
    """New incident messages."""
    duplicates: int = 0
    pictures: int = 0
    clips: int = 0
    """Told of; they stay with their workers."""
    states: int = 0
    """Reports of cameras."""
    observations: int = 0
    """Minutes of cameras."""
    ignored: int = 0
    """Messages on topics of the contract that a recorder does not follow."""
    filed: int = 0
    """Cases opened."""
    joined: int = 0
    """Incidents that joined an open case."""
    quarantined: int = 0
    """Messages set aside because they could not be read or stored."""


@dataclass(kw_only=True, slots=True)
class _Batch:
    """Deliveries told apart."""

    incidents: list[tuple[Delivery, Incident]] = field(default_factory=list)
    pictures: list[ReceivedEvidence] = field(default_factory=list)
    clips: list[KeptClip] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    health: list[CameraHealth] = field(default_factory=list)
    ignored: int = 0
    bad: list[tuple[Delivery, str]] = field(default_factory=list)


class Recorder:
    """Writes deliveries to the database. Knows nothing of how they came. For one event loop.

    Several may write the same deliveries at once: the database keeps each once, and cases are linked once.
    """

    def __init__(self, database: Database, linker: CaseLinker) -> None:
        self._database = database
        self._linker = linker
        self.counts = RecorderCounts()

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """Commit them, then acknowledge them. Raises StoreUnavailable with nothing acknowledged: try again later.

        What cannot be read is set aside. What fails on the way into the database is found by trying the messages one
        by one, and set aside too: no message may stop those after it, whatever is in it.
        """
        try:
            await self._set_aside(await self._write(deliveries))
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(deliveries) > 1:
                for delivery in deliveries:
                    await self.record([delivery])
                return
            log.exception("message_failed", topic=deliveries[0].topic, error=type(error).__name__)
            await self._set_aside([(deliveries[0], _why(error))])
        for delivery in deliveries:
            delivery.ack()

    async def replay(self, delivery: Delivery) -> str | None:
        """Commit one message that was set aside before; what is wrong with it, None once it is in.

        Raises StoreUnavailable. It is neither set aside again nor acknowledged.
        """
        try:
            bad = await self._write([delivery])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is in it; the reason is kept with the message
            return _why(error)
        return bad[0][1] if bad else None

    async def _write(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, str]]:
        """Commit what can be read; the rest is returned, with reasons."""
        batch = _tell_apart(deliveries)
        for picture in batch.pictures:
            await self._database.store_evidence(picture.incident, picture.sha256, picture.jpeg)
        contradicting = await self._write_incidents(batch.incidents)
        for clip in batch.clips:
            await self._database.store_clip(clip.incident, clip.evidence)
        await self._database.observations.save(batch.observations)
        for health in {one.camera: one for one in batch.health}.values():
            await self._database.save_health(health)
        self.counts.pictures += len(batch.pictures)
        self.counts.clips += len(batch.clips)
        self.counts.states += len(batch.health)
        self.counts.observations += len(batch.observations)
        self.counts.ignored += batch.ignored
        return batch.bad + contradicting

    async def _write_incidents(self, incidents: Sequence[tuple[Delivery, Incident]]) -> list[tuple[Delivery, str]]:
        if not incidents:
            return []
        async with self._database.recording() as recording:
            new = await recording.add_messages([incident for _, incident in incidents])
            links = await self._linker.link(new, recording)
        contradicting = {id(one) for one in recording.contradicting}
        self.counts.stored += len(new)
        self.counts.duplicates += len(incidents) - len(new) - len(contradicting)
        self.counts.filed += links.filed
        self.counts.joined += links.joined
        return [(delivery, CONTRADICTS) for delivery, incident in incidents if id(incident) in contradicting]

    async def _set_aside(self, bad: Sequence[tuple[Delivery, str]]) -> None:
        await self._database.quarantine.add(
            [
                BadMessage(topic=one.topic, content_type=one.content_type, payload=one.payload, reason=reason)
                for one, reason in bad
            ]
        )
        self.counts.quarantined += len(bad)


def _why(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _tell_apart(deliveries: Sequence[Delivery]) -> _Batch:
    """Decode each; what cannot be read is kept with the reason."""
    batch = _Batch()
    for one in deliveries:
        try:
            topic = parse_topic(one.topic)
            if isinstance(topic, IncidentTopic):
                batch.incidents.append((one, decode_incident(one.topic, one.payload, one.content_type)))
            elif isinstance(topic, EvidenceTopic):
                batch.pictures.append(decode_evidence(one.topic, one.payload))
            elif isinstance(topic, ClipTopic):
                batch.clips.append(decode_clip(one.topic, one.payload))
            elif isinstance(topic, ObservationTopic):
                batch.observations.append(decode_observation(one.topic, one.payload))
            elif isinstance(topic, CameraStateTopic):
                batch.health.append(decode_health(one.topic, one.payload))
            else:
                batch.ignored += 1
        except MalformedMessage as error:
            batch.bad.append((one, error.reason))
    return batch
