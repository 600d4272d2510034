"""Deletions a second: beside clients that record less or nothing, and where every commit is slow."""

import contextlib
import sqlite3
import subprocess

import peers
from bench import CONCURRENCY, HERE, TOKEN, Failed, Row, name_of, started

AUTHORIZATION = f"Authorization: Bearer {TOKEN}"


def _beside(own, other):
    return f"{own / other:.2f} ({own:,.0f}/s beside {other:,.0f}/s)"


class Peers:
    """Each round runs decom and, right after it, all of its peers."""

    ROWS = [
        Row("oha", "audited deletions a second ÷ `oha`, the same request, which records nothing",
            "–", _beside),
        Row("curl", f"÷ `curl --parallel --parallel-max {CONCURRENCY}`, which records nothing", "≥ 1.2", _beside),
        Row("curl-busy", "÷ the same, while another process keeps one core busy", "–; good: 0.8", _beside),
        Row("parallel", f"÷ GNU `parallel --joblog -j {CONCURRENCY} curl`", "–", _beside),
        Row("asyncio", "÷ a script with `asyncio`, one commit of SQLite before and after each", "–", _beside),
    ]

    def __init__(self, bench, wanted):
        self._bench, self._wanted, self._count = bench, wanted, bench.options.names
        programs = {"curl": ["curl"], "curl-busy": ["curl"], "parallel": ["curl", "parallel"], "asyncio": ["aiohttp"]}
        peers.need(*(program for key in wanted for program in programs.get(key, [])))
        if "oha" in wanted:
            peers.oha()

    def round(self):
        bench = self._bench
        bench.forget()
        own = self._rate(self._count, bench.run(bench.names(self._count)))
        bench.check_log(self._count)
        for row in self.ROWS:
            if row.key in self._wanted and row.key != "curl-busy":
                yield row.key, (own, getattr(self, f"_{row.key}")())
        if "curl-busy" in self._wanted:
            with started([peers.PYTHON, "-c", "while True: pass"]):
                bench.forget()
                own = self._rate(self._count, bench.run(bench.names(self._count)))
                yield "curl-busy", (own, self._curl())

    def _rate(self, count, command):
        """Requests a second of a command that sends `count`, which the server counts, too."""
        before = self._bench.nginx.requests()
        usage = self._bench.timed(command)
        seen = self._bench.nginx.requests() - before - 1
        if seen != count:
            raise Failed(f"{command[0]}: the server saw {seen} requests, and not {count}")
        return count / usage.seconds

    def _endpoint(self, name):
        return f"{self._bench.nginx.url}/api/v2/datasource?datasourceName={name}"

    def _oha(self):
        url = self._endpoint(name_of(0, self._count))
        return self._rate(self._count, [peers.oha(), "--no-tui", "--output-format", "quiet", "-n", self._count, "-c",
                                        CONCURRENCY, "-m", "DELETE", "-H", AUTHORIZATION, url])

    def _curl(self):
        last = self._count - 1
        names = f"tenant-[{0:0{len(str(last))}d}-{last}]-postgres"
        return self._rate(self._count, ["curl", "--silent", "--show-error", "--parallel", "--parallel-max", CONCURRENCY,
                                        "--request", "DELETE", "--header", AUTHORIZATION, "--output", "/dev/null",
                                        self._endpoint(names)])

    def _parallel(self):
        # A process for each: few names are enough.
        few = max(self._count // 100, 1)
        path, jobs = self._few(few), self._bench.folder / "jobs"
        rate = self._rate(few, ["parallel", "--will-cite", "--joblog", jobs, "-j", CONCURRENCY, "curl", "--silent",
                                "--show-error", "--request", "DELETE", "--header", f"'{AUTHORIZATION}'", "--output",
                                "/dev/null", f"'{self._endpoint('{}')}'", "::::", path])
        if len(jobs.read_text().splitlines()) != few + 1:
            raise Failed("the log of parallel does not hold every job")
        return rate

    def _asyncio(self):
        few = max(self._count // 20, 1)
        log = self._bench.folder / "script.db"
        for path in self._bench.folder.glob("script.db*"):
            path.unlink()
        rate = self._rate(few, [peers.PYTHON, HERE / "asyncio_client.py", self._few(few), self._endpoint(""), log,
                                CONCURRENCY])
        with contextlib.closing(sqlite3.connect(log)) as connection:
            found = connection.execute("SELECT count(*) FROM attempt WHERE status = 200").fetchone()[0]
        if found != few:
            raise Failed(f"the log of the script has {found} answers, and not {few}")
        return rate

    def _few(self, count):
        path = self._bench.folder / f"few-{count}"
        path.write_text("".join(f"{name_of(number, self._count)}\n" for number in range(count)))
        return path


class SlowCommits:
    """Every `fsync` and `fdatasync` of decom sleeps first, as on a volume in the network."""

    ROWS = [
        Row("slow-2ms", "deletions a second, every commit slowed by 2 ms", "≥ 8,000/s", "{:,.0f}/s".format),
        Row("slow-10ms", "deletions a second, every commit slowed by 10 ms", "≥ 2,500/s", "{:,.0f}/s".format),
    ]
    # Milliseconds, and the part of the names that is enough.
    _SLOW = {"slow-2ms": (2, 2), "slow-10ms": (10, 5)}

    def __init__(self, bench, wanted):
        peers.need("cc")
        self._bench, self._wanted = bench, wanted
        self._library = bench.folder / "slow_sync.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", self._library, HERE / "slow_sync.c", "-ldl"], check=True)

    def round(self):
        for key in filter(self._wanted.__contains__, self._SLOW):
            milliseconds, part = self._SLOW[key]
            yield key, (self._rate(milliseconds, max(self._bench.options.names // part, 1)),)

    def _rate(self, milliseconds, count):
        bench, counter = self._bench, self._bench.folder / "syncs"
        bench.forget()
        usage = bench.timed(bench.run(bench.names(count)), LD_PRELOAD=str(self._library), SLOW_SYNC_COUNT=str(counter),
                            SLOW_SYNC_US=str(milliseconds * 1000))
        bench.check_log(count)
        # A commit holds 1,024 records at most, and a name has three; one writer waits for each of them.
        syncs = int(counter.read_text())
        if syncs < count * 3 / 1024 or usage.seconds < syncs * milliseconds / 1000 * 0.9:
            raise Failed(f"{syncs} slow commits in {usage.seconds:.1f} s: they were not slowed down")
        return count / usage.seconds
