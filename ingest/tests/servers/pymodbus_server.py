#!/usr/bin/env python3
"""A Modbus server by pymodbus, for the tests of the poller: its own encoding, its own framing.

Usage: pymodbus_server.py tcp|rtu [--faults]

Listens on a free port of loopback, prints `listening PORT`, and serves until its standard input closes. Units 1 and 3
answer, unit 2 is silent. Input registers from 100: so2 21.5, o2 6.25 (float32), dust 42 (uint16), temperature -40 (int16),
flow 250.125 (float64). Holding 0: state 0. Discrete input 3 is on. With `--faults` one answer in eight is spoilt in turn: cut
off, under another transaction, late, twice.
"""

import asyncio
import sys
import time

from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

LATE_S = 0.15
"""Longer than the poller's patience in the tests."""


def device(unit: int) -> SimDevice:
    """The registers of one unit, in four blocks: coils, discrete inputs, holding, input."""
    bits = [False, False, False, True, False, False, False, False] * 2
    inputs = [
        SimData(100, values=[21.5, 6.25], datatype=DataType.FLOAT32),
        SimData(104, values=42, datatype=DataType.UINT16),
        SimData(105, values=-40, datatype=DataType.INT16),
        SimData(106, values=250.125, datatype=DataType.FLOAT64),
    ]
    return SimDevice(
        id=unit,
        simdata=(
            [SimData(0, values=bits, datatype=DataType.BITS)],
            [SimData(0, values=bits, datatype=DataType.BITS)],
            [SimData(0, count=8, values=0, datatype=DataType.UINT16)],
            inputs,
        ),
    )


class Line:
    """The way out: drops what unit 2 says, and if told to, spoils one answer in eight."""

    def __init__(self, unit_at: int, faults: bool) -> None:
        self.unit_at = unit_at
        self.faults = faults
        self.answers = 0

    def __call__(self, sending: bool, packet: bytes) -> bytes:
        if not sending or len(packet) <= self.unit_at:
            return packet
        if packet[self.unit_at] == 2:
            return b""
        self.answers += 1
        if not self.faults or self.answers % 8:
            return packet
        match self.answers // 8 % 4:
            case 0:
                return packet[: len(packet) // 2]
            case 1:
                return bytes([packet[0] ^ 0xFF]) + packet[1:]
            case 2:
                time.sleep(LATE_S)
                return packet
            case _:
                return packet + packet


async def main() -> None:
    over_tcp = sys.argv[1] == "tcp"
    server = ModbusTcpServer(
        [device(1), device(2), device(3)],
        framer=FramerType.SOCKET if over_tcp else FramerType.RTU,
        address=("127.0.0.1", 0),
        trace_packet=Line(6 if over_tcp else 0, "--faults" in sys.argv),
    )
    await server.serve_forever(background=True)
    print("listening", server.transport.sockets[0].getsockname()[1], flush=True)
    # Whoever started us holds the other end; when it is gone, so are we.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


asyncio.run(main())
