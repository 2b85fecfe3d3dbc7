"""A pipe for TCP that counts what goes up: meter.py HOST:PORT PORT COUNT-FILE.

Listens on 127.0.0.1:PORT, connects each client to HOST:PORT, and keeps the number of bytes that clients sent so far in
COUNT-FILE. It looks at no byte: what it counts includes request heads.
"""

import asyncio
import pathlib
import sys


async def copy(reader, writer, count):
    try:
        while data := await reader.read(1 << 16):
            count(len(data))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(upstream, port, count_file):
    host, upstream_port = upstream.rsplit(":", 1)
    total = 0

    def add(size):
        nonlocal total
        total += size
        pathlib.Path(count_file).write_text(f"{total}\n")

    async def serve(reader, writer):
        try:
            answers, requests = await asyncio.open_connection(host, int(upstream_port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, requests, add), copy(answers, writer, lambda size: None))

    add(0)
    async with await asyncio.start_server(serve, "127.0.0.1", int(port)) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
