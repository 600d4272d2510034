"""The bench on which all rows are measured: a folder, decom, its server, and how anything is run and timed."""

import collections
import contextlib
import functools
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import peers
from servers import Nginx

HERE = pathlib.Path(__file__).parent
TOKEN = "dbn_live_benchmark"
CONCURRENCY = 64

# A row of the table: its name for --only, what it says, and how the medians of its samples are shown.
Row = collections.namedtuple("Row", "key what goal shown")
# What a process took: seconds from start to exit, seconds of processor, MiB at its peak.
Usage = collections.namedtuple("Usage", "seconds processor memory")


class Failed(Exception):
    """What was measured did not do what it should have done, or cannot be measured here."""


def say(text):
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def started(command, **settings):
    """A process that is gone afterwards, and all that it started with it."""
    process = subprocess.Popen(list(map(str, command)), start_new_session=True, **settings)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Bench:
    """Set up once, for all rows."""

    def __init__(self, options):
        self.options = options
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            parent = self.options.folder
            if subprocess.check_output(["stat", "-f", "-c", "%T", parent], text=True).strip() == "tmpfs":
                raise Failed(f"{parent} is in memory, where a commit costs nothing; choose a disk with --folder")
            peers.need("nginx", "time")
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="decom-bench.", dir=parent)).resolve()
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DATABRAIN_TOKEN": TOKEN,
                                "USER": "bench", "LANG": "C.UTF-8"}
            self.decom = (self.options.decom or peers.decom()).resolve()
            self.log = self.folder / "audit.db"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    @functools.cached_property
    def nginx(self):
        """The server that answers every deletion: started when it is first wanted."""
        return self._stack.enter_context(Nginx(self.folder / "server", HERE / "nginx.conf"))

    def described(self):
        """Where this was measured."""
        took = []
        with open(self.folder / "probe", "wb", buffering=0) as probe:
            for _ in range(200):
                begun = time.perf_counter()
                probe.write(bytes(4096))
                os.fdatasync(probe.fileno())
                took.append(time.perf_counter() - begun)
        kind = subprocess.check_output(["stat", "-f", "-c", "%T", self.folder], text=True).strip()
        return (f"Medians of {self.options.rounds} rounds, whole processes. {os.cpu_count()} cores, the server on the"
                f" first of them, the clients on any; {CONCURRENCY} requests under way at once. A write of 4 KiB with"
                f" its sync takes {sorted(took)[100] * 1e6:.0f} µs on this disk ({kind}).")

    def names(self, count, shuffled=False):
        """A CSV of names that are all of one length, so that every client sends requests of one length."""
        path = self.folder / f"names-{count}{'-shuffled' if shuffled else ''}.csv"
        if not path.exists():
            numbers = list(range(count))
            if shuffled:
                random.Random(1).shuffle(numbers)
            with path.open("w") as file:
                file.write("datasource_name\n")
                file.writelines(f"{name_of(number, count)}\n" for number in numbers)
        return path

    def run(self, names, url=None, rate="unlimited", log=None):
        """The command that deletes `names`."""
        return [self.decom, "run", names, "--base-url", url or self.nginx.url, "--audit-db", log or self.log, "--rate",
                rate, "--concurrency", CONCURRENCY, "--max-share", 100, "--no-listing-check", "--max-deletes",
                100_000_000, "--yes"]

    def forget(self):
        """Removes the log, and waits until the disk has nothing left to do for it."""
        for path in self.folder.glob("audit.db*"):
            path.unlink()
        os.sync()

    def timed(self, command, code=0, **settings):
        """Runs a command to its end and tells what it took."""
        usage, output = self.folder / "usage", self.folder / "output"
        environment = {**self.environment, **settings}
        with output.open("wb") as sink:
            begun = time.perf_counter()
            with started(["time", "-f", "%U %S %M", "-o", usage, *command], env=environment, cwd=self.folder,
                         stdin=subprocess.DEVNULL, stdout=sink, stderr=sink) as process:
                found = process.wait()
                seconds = time.perf_counter() - begun
        if found != code:
            raise Failed(f"{command[0]} ended with {found}: {output.read_text(errors='replace')[-500:]}")
        user, system, kib = usage.read_text().split("\n")[-2].split()
        return Usage(seconds, float(user) + float(system), int(kib) / 1024)

    def check_log(self, count):
        """What every run must have left behind, or its speed means nothing."""
        found = self.ask("""SELECT count(*), count(DISTINCT datasource), count(CASE WHEN http_status = 200
            AND finished_at IS NOT NULL THEN 1 END), (SELECT count(*) FROM results WHERE outcome = 'deleted')
            FROM attempts""")
        if found != (count,) * 4:
            raise Failed(f"the log has attempts, names, answers, deleted: {found}, and not {count} of each")

    def ask(self, question, *values):
        """The first row of the answer of the log."""
        with contextlib.closing(sqlite3.connect(f"{self.log.as_uri()}?mode=ro", uri=True)) as log:
            return log.execute(question, values).fetchone()


def name_of(number, count):
    return f"tenant-{number:0{len(str(count - 1))}d}-postgres"
