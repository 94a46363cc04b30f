"""How packets leave over UDP."""

import asyncio

from gridwatch.rig.playback import UdpSink


class Receiver(asyncio.DatagramProtocol):
    """Keeps what arrives, in the loop of the sender: it reads only while the sender pauses."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.last = asyncio.Event()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.received.append(data)
        if data.startswith(b"last"):
            self.last.set()


async def test_a_long_picture_over_udp_leaves_the_client_time_to_read() -> None:
    loop = asyncio.get_running_loop()
    transport, receiver = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    sink = UdpSink("127.0.0.1", "127.0.0.1", (port, port))
    # About a second of 1080p, several times a default receive buffer.
    packets = [number.to_bytes(4) + bytes(1396) for number in range(400)] + [b"last"]

    await sink.send_packets(packets)
    await asyncio.wait_for(receiver.last.wait(), 5)
    sink.close()
    transport.close()

    assert receiver.received == packets


async def test_a_client_whose_port_is_closed_is_no_error() -> None:
    closed = await asyncio.get_running_loop().create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    port = closed[0].get_extra_info("sockname")[1]
    closed[0].close()
    await asyncio.sleep(0)
    sink = UdpSink("127.0.0.1", "127.0.0.1", (port, port))

    for _ in range(3):
        await sink.send_packets([b"x"])
        await sink.send_report(b"x")
    sink.close()
