"""What answers: nginx where speed counts, the emulator of the API where its limit does."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

PATIENCE = 120


def wait_for(what, found, pause=0.005):
    """Looks again and again until `found` finds something, and returns that."""
    until = time.monotonic() + PATIENCE
    while not (there := found()):
        if time.monotonic() > until:
            raise TimeoutError(f"no {what} within {PATIENCE} s")
        time.sleep(pause)
    return there


class Nginx:
    """Answers every deletion as documented and does nothing else; on a second port it also notes when."""

    def __init__(self, folder, configuration):
        folder.mkdir()
        self._arrivals = folder / "arrivals"
        self.port, self._noting = _free_port(), _free_port()
        text = configuration.read_text().replace("@PORT@", str(self.port)).replace("@NOTING@", str(self._noting))
        (folder / "nginx.conf").write_text(text)
        pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if os.cpu_count() > 1 else []
        self._command = [*pinned, "nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
        self._errors = folder / "errors"
        self.url, self.noting_url = (f"http://127.0.0.1:{port}" for port in (self.port, self._noting))

    def __enter__(self):
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(self._command, start_new_session=True, stderr=errors)
        try:
            wait_for(f"nginx ({self._errors.read_text()})", self._is_up)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _is_up(self):
        with contextlib.suppress(OSError):
            return self.requests()

    def requests(self):
        """How many requests it has had, this one included."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/requests")
        text = connection.getresponse().read().decode()
        connection.close()
        return int(text.split("\n")[2].split()[2])

    def forget_arrivals(self):
        self._arrivals.write_bytes(b"")

    def first_arrival(self):
        """When the first request came to the port that notes that, in seconds of Unix time."""
        line = wait_for("request", lambda: self._arrivals.read_bytes()[:100].partition(b"\n")[0])
        at, took = map(float, line.split())
        return at - took


class Emulator:
    """The emulator of the API, as an example program of decom's library."""

    def __init__(self, program, folder, names, *flags):
        self._log = pathlib.Path(folder) / "requests"
        command = [program, names, "--request-log", self._log, *flags]
        self._process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True, env={"DATABRAIN_TOKEN": "dbn_live_benchmark"})
        self.url = self._process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def requests(self):
        """When each deletion was asked for, in seconds, and the status of its answer."""
        entries = map(json.loads, self._log.read_text().splitlines())
        return [(entry["at"] / 1e6, entry["status"]) for entry in entries]


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
