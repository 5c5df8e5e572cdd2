#!/usr/bin/env python3
"""Stands between a client and a server and misbehaves on demand. Python standard library only; listens on loopback only.

    proxy.py NAME=LISTEN:TARGET [NAME=LISTEN:TARGET …]

Prints `ready`, then reads one JSON object on each line of stdin: `{"proxy": NAME, "fault": {…}}`, answers `ok`. A fault replaces
the one before, for open connections too; `{}` mends. Keys (down is from the server to the client):

    refuse: true            ends connections with RST as soon as they are accepted, and those that are open now
    reset_ms: N             ends a connection with RST after N milliseconds
    delay_ms, jitter_ms: N  holds each piece for N milliseconds, and a random part of the other
    rate: N                 bytes per second, both ways
    blackhole: true         reads and holds everything; what was held is sent once mended
    corrupt: P              flips a bit of a piece of the server's bytes, with this probability
    truncate: N             sends N bytes of the server's, then FIN
    half_close: true        after the first bytes of the server's sends FIN that way, and goes on reading
    goaway_ms: N            HTTP/2: after N milliseconds of a connection a GOAWAY between two of the server's frames; FIN half a second later
"""
import asyncio
import json
import random
import socket
import struct
import sys
import time

LINGER = struct.pack("ii", 1, 0)


class Proxy:
    def __init__(self, listen, target):
        self.listen, self.target, self.fault, self.open = listen, target, {}, set()
        self.chance = random.Random(7)

    async def start(self):
        await asyncio.start_server(self.accepted, "127.0.0.1", self.listen, backlog=1024)

    def set(self, fault):
        self.fault = fault
        if fault.get("refuse"):
            for writers in list(self.open):
                reset(*writers)

    async def accepted(self, reader, writer):
        if self.fault.get("refuse"):
            return reset(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return reset(writer)
        writers = (writer, far_writer)
        self.open.add(writers)
        streams = {"highest": 0}
        pumps = [
            asyncio.ensure_future(self.pump("up", reader, far_writer, writers, streams)),
            asyncio.ensure_future(self.pump("down", far_reader, writer, writers, streams)),
        ]
        clock = asyncio.ensure_future(self.clock(writers))
        try:
            await asyncio.wait(pumps)
        finally:
            clock.cancel()
            self.open.discard(writers)
            for it in writers:
                it.close()

    async def clock(self, writers):
        began = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            after = self.fault.get("reset_ms")
            if after and (time.monotonic() - began) * 1000 > after:
                return reset(*writers)

    async def pump(self, way, reader, writer, writers, streams):
        pieces = asyncio.Queue(maxsize=64)

        async def read():
            try:
                while piece := await reader.read(65536):
                    await pieces.put((time.monotonic(), piece))
                await pieces.put((0, b""))
            except OSError:
                await pieces.put((0, None))

        reading = asyncio.ensure_future(read())
        began, n_sent, frames, said_goodbye = time.monotonic(), 0, Frames(way == "up"), False
        try:
            while True:
                came, piece = await pieces.get()
                if piece is None:
                    return reset(*writers)
                fault = self.fault
                held = (fault.get("delay_ms", 0) + self.chance.random() * fault.get("jitter_ms", 0)) / 1000
                if held:
                    await asyncio.sleep(max(0, came + held - time.monotonic()))
                while self.fault.get("blackhole"):
                    await asyncio.sleep(0.02)
                fault = self.fault
                if not piece:
                    return writer.write_eof()
                if way == "up":
                    streams["highest"] = max(streams["highest"], frames.highest_stream(piece))
                if way == "down" and self.chance.random() < fault.get("corrupt", 0):
                    at = self.chance.randrange(len(piece))
                    piece = piece[:at] + bytes([piece[at] ^ 1 << self.chance.randrange(8)]) + piece[at + 1 :]
                truncated = way == "down" and "truncate" in fault and n_sent + len(piece) >= fault["truncate"]
                if truncated:
                    piece = piece[: max(0, fault["truncate"] - n_sent)]
                if way == "down" and fault.get("goaway_ms") and not said_goodbye:
                    cut = frames.end_of_frame(piece)
                    if (time.monotonic() - began) * 1000 > fault["goaway_ms"] and cut is not None:
                        frame = b"\0\0\x08\x07\0" + bytes(4) + struct.pack(">II", streams["highest"], 0)
                        piece, said_goodbye = piece[:cut] + frame + piece[cut:], True
                        asyncio.get_running_loop().call_later(0.5, lambda: [it.close() for it in writers])
                elif way == "down":
                    frames.end_of_frame(piece)
                if "rate" in fault:
                    step = max(1, fault["rate"] // 50)
                    for at in range(0, len(piece), step):
                        writer.write(piece[at : at + step])
                        await writer.drain()
                        await asyncio.sleep(0.02)
                else:
                    writer.write(piece)
                    await writer.drain()
                n_sent += len(piece)
                if truncated:
                    return [it.close() for it in writers]
                if way == "down" and fault.get("half_close"):
                    writer.write_eof()
                    while (await pieces.get())[1]:
                        pass
                    return
        except OSError:
            reset(*writers)
        finally:
            reading.cancel()


class Frames:
    """Follows the frames of one way of an HTTP/2 connection."""

    def __init__(self, begins_with_preface):
        self.skip, self.head, self.highest = (24 if begins_with_preface else 0), b"", 0

    def walk(self, piece):
        """The places in the piece at which a frame ends."""
        at, ends = 0, []
        while at < len(piece):
            if self.skip:
                n = min(self.skip, len(piece) - at)
                self.skip, at = self.skip - n, at + n
            else:
                n = min(9 - len(self.head), len(piece) - at)
                self.head, at = self.head + piece[at : at + n], at + n
                if len(self.head) < 9:
                    break
                self.highest = max(self.highest, int.from_bytes(self.head[5:9], "big") & 0x7FFFFFFF)
                self.skip, self.head = int.from_bytes(self.head[:3], "big"), b""
            if not self.skip and not self.head:
                ends.append(at)
        return ends

    def highest_stream(self, piece):
        self.walk(piece)
        return self.highest

    def end_of_frame(self, piece):
        ends = self.walk(piece)
        return ends[-1] if ends else None


def reset(*writers):
    for writer in writers:
        if (end := writer.get_extra_info("socket")) is not None:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            except OSError:
                pass
        writer.transport.abort()


async def main():
    proxies = {}
    for arg in sys.argv[1:]:
        name, _, ports = arg.partition("=")
        listen, _, target = ports.partition(":")
        proxies[name] = Proxy(int(listen), int(target))
        await proxies[name].start()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while line := await lines.readline():
        order = json.loads(line)
        proxies[order["proxy"]].set(order["fault"])
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
