"""What `gridwatch watch` shows of what came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from gridwatch.app.board import OPEN, Board, Heading, line_of
from gridwatch.bus import (
    Delivery,
    MalformedMessage,
    NodeState,
    NodeStatus,
    OutgoingMessage,
    encode_health,
    encode_incident,
    encode_node,
)
from gridwatch.domain import CameraState, Phase, SitePath
from tests.unit.bus.samples import WHEN, health, incident


def delivery(message: OutgoingMessage, payload: bytes | None = None) -> Delivery:
    return Delivery(
        topic=message.topic, payload=message.payload if payload is None else payload,
        content_type=message.content_type, retained=False, received_at=WHEN, ack=lambda: None,
    )  # fmt: skip


def screen(board: Board) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    heading = Heading(site="harbour", broker="mqtt://b:1883", link="connected", now=WHEN + timedelta(minutes=3))
    with console.file:
        console.print(board.render(heading))
        return console.export_text()


def test_an_incident_is_open_until_it_is_cleared_and_a_late_message_does_not_open_it_again() -> None:
    board, raised = Board(), incident()
    updated = replace(raised, phase=Phase.UPDATED, seq=1)

    board.take(delivery(encode_incident(raised)))
    assert "Open incidents 未结束 1" in screen(board)
    assert "0:03:00" in screen(board)
    board.take(delivery(encode_incident(replace(raised, phase=Phase.CLEARED, seq=2))))
    board.take(delivery(encode_incident(updated)))

    assert board.open == {}, "an update that was overtaken by its end"


def test_a_camera_in_trouble_stands_first_with_the_reason() -> None:
    board = Board()
    board.take(delivery(encode_health(health(camera="gate-1"))))
    lost = health(camera="gate-2", state=CameraState.UNREACHABLE, reason="no route to [10.0.0.1]")
    board.take(delivery(encode_health(lost)))

    text = screen(board)
    assert "1 of 2 up" in text
    assert text.index("gate-2") < text.index("gate-1")
    assert "no route to [10.0.0.1]" in text


def test_a_deleted_state_leaves_the_board() -> None:
    board, message = Board(), encode_health(health())
    board.take(delivery(message))
    board.take(delivery(message, b""))

    assert board.cameras == {}


def test_a_lost_node_is_told() -> None:
    board = Board()
    site = SitePath(district="harbour")
    status = NodeStatus(node="all", site=site, state=NodeState.LOST, started_at=datetime(2026, 3, 4, tzinfo=UTC))
    board.take(delivery(encode_node(status)))

    assert "lost" in screen(board)


def test_open_incidents_are_bounded_and_what_is_forgotten_is_counted() -> None:
    board = Board()
    for number in range(OPEN + 5):
        board.take(delivery(encode_incident(incident(number))))

    assert len(board.open) == OPEN
    assert board.forgotten == 5


def test_a_message_that_breaks_the_contract_is_refused_and_changes_nothing() -> None:
    board = Board()

    with pytest.raises(MalformedMessage):
        board.take(delivery(encode_incident(incident()), b"{"))
    assert not board.open
    assert not board.feed


def test_a_line_says_what_happened_where_and_how_to_find_it() -> None:
    raised = incident()

    assert line_of(raised) == (
        f"2026-03-04T05:06:08Z raised major intrusion harbour/north/gate/gate-1 rule=yard count=1 id={raised.id}"
    )
