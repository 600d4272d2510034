"""What many would write: deletes names with asyncio, and commits each attempt to SQLite before it is sent.

    asyncio_client.py NAMES ENDPOINT LOG CONCURRENCY

As durable as decom's log (`synchronous=FULL`), and neither chained nor append-only. Needs aiohttp.
"""

import asyncio
import os
import sqlite3
import sys
import time

import aiohttp


async def worker(names, endpoint, session, log):
    for name in names:
        row = log.execute("INSERT INTO attempt (name, started) VALUES (?, ?)", (name, time.time())).lastrowid
        async with session.delete(endpoint + name) as answer:
            text = await answer.text()
        answered = (answer.status, text, time.time(), row)
        log.execute("UPDATE attempt SET status = ?, answer = ?, finished = ? WHERE id = ?", answered)


async def main(path, endpoint, log, concurrency):
    # Without a transaction of its own, each statement is one.
    connection = sqlite3.connect(log, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE attempt (id INTEGER PRIMARY KEY, name, started, status, answer, finished)")
    headers = {"Authorization": f"Bearer {os.environ['DATABRAIN_TOKEN']}"}
    connector = aiohttp.TCPConnector(limit=int(concurrency))
    with open(path, encoding="utf-8") as file:
        # All workers take from the one iterator.
        names = map(str.rstrip, file)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            await asyncio.gather(*(worker(names, endpoint, session, connection) for _ in range(int(concurrency))))
    connection.close()


asyncio.run(main(*sys.argv[1:]))
