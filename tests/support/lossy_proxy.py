#!/usr/bin/env python3
"""A proxy in front of a RethinkDB server that loses answers.

usage: lossy_proxy.py PORT WORD TIMES

Passes connections to 127.0.0.1:PORT on. The answer to a query that contains WORD is not: the connection is cut
instead, once the server has answered, TIMES times. Prints its own port, then `lost` each time.
"""

import asyncio
import struct
import sys

PORT, WORD = int(sys.argv[1]), sys.argv[2].encode()
left = int(sys.argv[3])


async def handshake(reader, writer, messages):
    """Messages that are ended by a NUL; the first of a client follows four bytes that have none."""
    for _ in range(messages):
        writer.write(await reader.readuntil(b"\0"))


async def frame(reader):
    header = await reader.readexactly(12)
    token, length = struct.unpack("<qI", header)
    return token, header + await reader.readexactly(length)


async def upwards(reader, writer, doomed):
    await handshake(reader, writer, 2)
    while True:
        token, data = await frame(reader)
        if WORD in data:
            doomed.add(token)
        writer.write(data)


async def downwards(reader, writer, doomed):
    global left
    await handshake(reader, writer, 3)
    while True:
        token, data = await frame(reader)
        if token in doomed and left > 0:
            left -= 1
            print("lost", flush=True)
            return
        writer.write(data)


async def serve(reader, writer):
    tasks, server = [], None
    try:
        from_server, server = await asyncio.open_connection("127.0.0.1", PORT)
        doomed = set()
        tasks = [asyncio.create_task(upwards(reader, server, doomed)),
                 asyncio.create_task(downwards(from_server, writer, doomed))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except OSError:
        pass  # the server is not there: neither are we
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for end in (writer, server):
        if end:
            end.close()


async def main():
    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(proxy.sockets[0].getsockname()[1], flush=True)
    await proxy.serve_forever()


asyncio.run(main())
