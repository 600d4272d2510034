"""A million names: memory, how soon the first request leaves, and what the log of it costs to read."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time

from bench import Failed, Row, name_of, started
from servers import wait_for

SMALL = 10_000
LOOKUPS = 100


class Million:
    """One log of a million names for all that reads it."""

    ROWS = [
        Row("memory", "peak memory, 1 million names", "≤ 64 MiB", "{:.1f} MiB".format),
        Row("memory-10m", "peak memory, 10 million names",
            "linear", "{:.1f} MiB".format),
        Row("start-10k", "start to first request: 10,000 names", "≤ 100 ms", "{:.0f} ms".format),
        Row("start-1m", "start to first request: 1 million names in random order", "≤ 4 s", "{:,.0f} ms".format),
        Row("resume", "resuming a half-done run of 1 million: start to first request", "≤ 3 s", "{:,.0f} ms".format),
        Row("report", "`report` of 1 million targets", "≤ 1 s", "{:.2f} s".format),
        Row("report-csv", "`report --format csv` of 1 million targets", "≤ 6 s", "{:.2f} s".format),
        Row("lookup", "one name of them looked up in `results`", "≤ 5 ms", "{:.2f} ms".format),
        Row("verify", "`audit verify`", "≥ 1,000,000 records/s, constant memory",
            "{:,.0f} records/s; {:.1f} MiB, and {:.1f} MiB for a log a tenth as long".format),
    ]
    # Those that read the log of a whole run.
    _READ = {"report", "report-csv", "lookup", "verify"}

    def __init__(self, bench, wanted):
        self._bench, self._wanted, self._count = bench, wanted, bench.options.million
        self._done = None
        self._half = bench.folder / "half"
        self._huge = "memory-10m" in wanted

    def round(self):
        if "start-10k" in self._wanted:
            self._bench.forget()
            yield "start-10k", (self._first_request(self._bench.names(SMALL)),)
        if "start-1m" in self._wanted:
            self._bench.forget()
            yield "start-1m", (self._first_request(self._bench.names(self._count, shuffled=True)),)
        if "resume" in self._wanted:
            yield "resume", (self._resumed(),)
        if self._huge:
            self._huge = False
            yield "memory-10m", (self._whole_run(self._count * 10).memory,)
        if "memory" in self._wanted:
            yield "memory", (self._whole_run(self._count).memory,)
        if self._READ & self._wanted:
            yield from self._reading()

    def _whole_run(self, count):
        bench = self._bench
        bench.forget()
        usage = bench.timed(bench.run(bench.names(count)))
        bench.check_log(count)
        return usage

    def _first_request(self, names):
        """Milliseconds from the start of a run to its first request. It is killed then."""
        bench = self._bench
        bench.nginx.forget_arrivals()
        begun = time.time()
        with self._going(bench.run(names, url=bench.nginx.noting_url)):
            return (bench.nginx.first_arrival() - begun) * 1000

    def _going(self, command):
        return started(command, env=self._bench.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def _resumed(self):
        bench, names = self._bench, self._bench.names(self._count, shuffled=True)
        if not self._half.exists():
            bench.forget()
            until = bench.nginx.requests() + self._count // 2
            # On the port that notes: the API's address is a part of what an interrupted run is known by.
            with self._going(bench.run(names, url=bench.nginx.noting_url)) as process:
                wait_for("half of a run", lambda: bench.nginx.requests() >= until or process.poll() is not None)
                process.send_signal(signal.SIGKILL)
            self._half.mkdir()
            for path in bench.folder.glob("audit.db*"):
                path.rename(self._half / path.name)
        bench.forget()
        for path in self._half.iterdir():
            shutil.copy(path, bench.folder)
        os.sync()
        took = self._first_request(names)
        runs, sent = bench.ask("SELECT count(*), (SELECT count(*) FROM attempts) FROM runs")
        # Those that asked how far it is were counted, too.
        if runs != 1 or sent < self._count // 3:
            raise Failed(f"an interrupted run was to be continued, and there are {runs}, with {sent} requests")
        return took

    def _reading(self):
        bench = self._bench
        if self._done is None:
            self._done = bench.folder / "done.db"
            short = bench.folder / "short.db"
            for count, kept in ((self._count // 10, short), (self._count, self._done)):
                self._whole_run(count)
                bench.log.rename(kept)
        if "report" in self._wanted:
            yield "report", (bench.timed([bench.decom, "report", "--audit-db", self._done]).seconds,)
        if "report-csv" in self._wanted:
            csv = [bench.decom, "report", "--format", "csv", "--audit-db", self._done]
            yield "report-csv", (bench.timed(csv).seconds,)
        if "lookup" in self._wanted:
            yield "lookup", (self._looked_up(),)
        if "verify" in self._wanted:
            records, long = self._verified(self._done)
            yield "verify", (records / long.seconds, long.memory, self._verified(bench.folder / "short.db")[1].memory)

    def _looked_up(self):
        """Milliseconds for one name, with the log opened for it."""
        numbers = random.Random(2).sample(range(self._count), min(LOOKUPS, self._count))
        begun = time.perf_counter()
        for number in numbers:
            with contextlib.closing(sqlite3.connect(f"{self._done.as_uri()}?mode=ro", uri=True)) as log:
                question = "SELECT outcome FROM results WHERE datasource = ?"
                if log.execute(question, (name_of(number, self._count),)).fetchall() != [("deleted",)]:
                    raise Failed(f"name {number} is not among the results")
        return (time.perf_counter() - begun) / len(numbers) * 1000

    def _verified(self, log):
        # Sound, and nothing outside vouches for it, as there are no checkpoints: that ends with 1.
        usage = self._bench.timed([self._bench.decom, "audit", "verify", "--json", "--audit-db", log], code=1)
        return json.loads((self._bench.folder / "output").read_text())["records"], usage
