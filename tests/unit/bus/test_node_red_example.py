"""The Node-RED flow of docs/examples: importable, on topics of the contract, and its function does what it says."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridwatch.bus import Channel, encode_incident, subscriptions
from gridwatch.domain import Phase, SitePath
from tests.unit.bus.samples import WHEN, incident

FLOW: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "docs/examples/node-red.json").read_text(encoding="utf-8")
)
NODES = {node["id"]: node for node in FLOW}


def test_every_wire_ends_at_a_node_of_the_flow_and_every_node_has_its_broker() -> None:
    assert len(NODES) == len(FLOW)
    for node in FLOW:
        assert {end for output in node.get("wires", []) for end in output} <= NODES.keys()
        assert len(node.get("wires", [])) == node.get("outputs", len(node.get("wires", [])))
        if node["type"] == "mqtt in":
            assert NODES[node["broker"]]["type"] == "mqtt-broker"


def test_it_subscribes_to_what_the_contract_has() -> None:
    topics = {node["topic"] for node in FLOW if node["type"] == "mqtt in"}
    assert topics == set(subscriptions(SitePath(district="harbour"), Channel.INCIDENT, Channel.NODE))


def test_its_function_gives_each_message_once_at_the_output_of_its_phase() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    first = incident()
    messages = [first, first, replace(first, phase=Phase.UPDATED, seq=1), replace(first.cleared(WHEN), seq=2)]
    payloads = [json.loads(encode_incident(one).payload) for one in messages]
    script = f"""
        const kept = {{}};
        const context = {{ get: (key) => kept[key], set: (key, value) => {{ kept[key] = value; }} }};
        const handle = (msg) => {{ {NODES["gw-once"]["func"]} }};
        const out = {json.dumps(payloads)}.map((payload) => handle({{ payload }}));
        out.push(handle({{ payload: {{}} }}));
        console.log(JSON.stringify(out));
    """
    said = json.loads(subprocess.run([node, "-e", script], capture_output=True, check=True).stdout)

    assert said[1] is None
    assert said[4] is None
    outputs = [[index for index, one in enumerate(outputs) if one] for outputs in (said[0], said[2], said[3])]
    assert outputs == [[0], [1], [2]]
    assert said[0][0]["payload"]["incident"] == str(first.id)
    assert said[0][0]["topic"] == "harbour/north/gate/gate-1"
