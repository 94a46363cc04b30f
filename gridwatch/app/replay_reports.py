"""What a replay gave, for machines: JSON, and JUnit XML. The same replay gives the same bytes."""

import hashlib
import json
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from gridwatch.app.expected import Comparison, ExpectedIncident, FoundIncident
from gridwatch.app.replay import Replay, stream_seconds
from gridwatch.app.replay_job import Outcome
from gridwatch.app.score import Score, scores
from gridwatch.bus import encode_incident
from gridwatch.domain import Incident, Phase

SCHEMA = "gridwatch-report/1"


def report_json(outcomes: Sequence[Outcome]) -> str:
    """Every clip with its incidents and its comparison, and the scores."""
    totals = scores([one.comparison for one in outcomes if one.comparison is not None])
    document = {
        "schema": SCHEMA,
        "clips": [_clip(one) for one in outcomes],
        "kinds": {str(one.kind): _score(one) for one in totals[:-1]},
        "total": _score(totals[-1]),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _clip(outcome: Outcome) -> dict[str, object]:
    result = outcome.replay
    file, detector = result.watched.file, result.detector
    return {
        "clip": outcome.recording.name,
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "camera": result.watched.camera.id,
        "frames": result.frames,
        "detector": {
            "name": detector.name, "version": detector.version, "weights_sha256": detector.weights_sha256,
        },
        "incidents": [_incident(result, one) for one in result.messages if one.phase is Phase.RAISED],
        "comparison": None if outcome.comparison is None else _compared(outcome.comparison),
        "messages": [json.loads(encode_incident(one).payload) for one in result.messages],
    }  # fmt: skip


def _incident(result: Replay, raised: Incident) -> dict[str, object]:
    life = [one for one in result.messages if one.id == raised.id]
    return {
        "id": str(raised.id),
        "kind": raised.kind.value,
        "rule": raised.rule,
        "occurred_at": stream_seconds(raised.occurred_at),
        "raised_at": stream_seconds(raised.observed_at),
        "cleared_at": stream_seconds(life[-1].observed_at) if life[-1].phase is Phase.CLEARED else None,
        "peak_count": max(one.count for one in life),
        "score": round(max(one.score for one in life), 4),
    }


def _compared(comparison: Comparison) -> dict[str, object]:
    return {
        "found": [
            {**_expected(want), "raised_at": one.raised_at, "late": round(one.raised_at - want.raised_at, 3)}
            for want, one in comparison.found
        ],
        "missed": [_expected(want) for want in comparison.missed],
        "false": [{"kind": one.kind, "rule": one.rule, "raised_at": one.raised_at} for one in comparison.false],
    }


def _expected(want: ExpectedIncident) -> dict[str, object]:
    return {"kind": want.kind, "rule": want.rule, "from": want.start, "due": want.raised_at}


def _score(one: Score) -> dict[str, object]:
    return {
        "expected": one.expected, "found": one.found, "missed": one.missed, "false": one.false,
        "precision": None if one.precision is None else round(one.precision, 4),
        "recall": None if one.recall is None else round(one.recall, 4),
        "time_to_detect": {"median": one.median_delay, "max": one.longest_delay},
    }  # fmt: skip


def report_junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit XML as Jenkins and GitLab read it: a suite a clip, a case an expected incident, one for false alarms.

    No times of running are in it: they would differ from run to run.
    """
    suites = [_suite(one) for one in outcomes if one.comparison is not None]
    counts = {name: str(sum(int(suite.get(name, "0")) for suite in suites)) for name in ("tests", "failures", "errors")}
    top = ET.Element("testsuites", {"name": "gridwatch replay", **counts})
    top.extend(suites)
    ET.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _suite(outcome: Outcome) -> ET.Element:
    comparison, truth = outcome.comparison, outcome.recording.truth
    if comparison is None or truth is None:
        raise AssertionError("a suite is made of a comparison")
    name = outcome.recording.name
    cases = [_case(name, want, comparison) for want in truth.incidents]
    cases.append(_false_alarms(name, comparison.false))
    failures = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    suite = ET.Element("testsuite", {
        "name": name, "tests": str(len(cases)), "failures": str(failures), "errors": "0", "skipped": str(skipped),
    })  # fmt: skip
    suite.extend(cases)
    return suite


def _case(clip: str, want: ExpectedIncident, comparison: Comparison) -> ET.Element:
    words = f"{want.kind} {want.rule or want.zone or want.line or ''}".strip()
    case = ET.Element("testcase", {"classname": clip, "name": f"{words} due at {want.raised_at:.1f} s"})
    said = f"from {want.start:.1f} s, due at {want.raised_at:.1f} s, tolerance {want.tolerance:g} s"
    if any(want is missed for missed in comparison.missed):
        failure = ET.SubElement(case, "failure", {"type": "missed", "message": f"{words} was not raised: {said}"})
        failure.text = said
    elif not any(want is known for known, _ in comparison.found):
        ET.SubElement(case, "skipped", {"message": "optional, and not raised"})
    else:
        one = next(one for known, one in comparison.found if known is want)
        ET.SubElement(case, "system-out").text = f"raised at {one.raised_at:.1f} s; {said}"
    return case


def _false_alarms(clip: str, false: Sequence[FoundIncident]) -> ET.Element:
    case = ET.Element("testcase", {"classname": clip, "name": "no false alarms"})
    if false:
        lines = [f"{one.kind} {one.rule} raised at {one.raised_at:.1f} s" for one in false]
        failure = ET.SubElement(case, "failure", {"type": "false", "message": f"{len(false)} not expected"})
        failure.text = "\n".join(lines)
    return case
