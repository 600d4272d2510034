"""The pace: what it costs to wait, and whether a quota is used up and a ceiling kept, seen at the server."""

import contextlib
import subprocess

import peers
from bench import Failed, Row, started
from servers import Emulator

GENERATIONS = ["draft-6", "draft-7", "draft-8", "legacy"]
WINDOW = 10
QUOTA = 500
CEILING = 480
# What a ceiling lets leave beside its requests: a fiftieth of them.
BURST = CEILING // 50
# How many windows a run takes, and a half: the last one, which is not filled, does not count.
WINDOWS = 2


class Pace:
    """Slow runs, of which those that only wait run at the same time."""

    ROWS = [
        Row("idle", "at 4 requests a second: processor; memory", "< 1 % of a core; < 24 MiB",
            "{:.2f} % of a core; {:.1f} MiB".format),
        Row("auto", f"`--rate auto` against {QUOTA} in {WINDOW} s, the worst of {', '.join(GENERATIONS)}:"
            " share of the quota used; 429s after the first window", "≥ 99 %; 0", "{:.1f} %; {:.0f}".format),
        Row("ceiling", f"`--rate {CEILING}/{WINDOW}s`: most requests in any {WINDOW} s, seen at the server",
            f"never above {CEILING} + {BURST}", "{:.0f}".format),
    ]

    def __init__(self, bench, wanted):
        self._bench, self._wanted = bench, wanted
        if wanted & {"auto", "ceiling"}:
            self._emulator = bench.options.emulator or peers.emulator()

    def round(self):
        bench = self._bench
        if "idle" in self._wanted:
            bench.forget()
            count = 4 * bench.options.seconds
            usage = bench.timed(bench.run(bench.names(count), rate="4/s"))
            bench.check_log(count)
            yield "idle", (usage.processor / usage.seconds * 100, usage.memory)
        settings = {}
        if "auto" in self._wanted:
            settings |= {key: ["--limit", f"{QUOTA}/{WINDOW}s", "--headers", key] for key in GENERATIONS}
        if "ceiling" in self._wanted:
            settings["ceiling"] = []
        seen = self._seen(settings)
        if "ceiling" in seen:
            yield "ceiling", (busiest([at for at, _ in seen.pop("ceiling")]),)
        if seen:
            used = [quota_used(requests) for requests in seen.values()]
            yield "auto", (min(share for share, _ in used) * 100, max(refused for _, refused in used))

    def _seen(self, settings):
        """Runs decom against an emulator for each of `settings`, all at once; the requests that each has seen."""
        bench, seen = self._bench, {}
        names = bench.names(QUOTA * WINDOWS + QUOTA // 2)
        plain = bench.folder / "names"
        plain.write_text(names.read_text().partition("\n")[2])
        with contextlib.ExitStack() as stack:
            for key, flags in settings.items():
                folder = bench.folder / key
                folder.mkdir(exist_ok=True)
                for left in folder.iterdir():
                    left.unlink()
                emulator = stack.enter_context(Emulator(self._emulator, folder, plain, *flags))
                rate = "auto" if flags else f"{CEILING}/{WINDOW}s"
                command = bench.run(names, url=emulator.url, rate=rate, log=folder / "audit.db")
                seen[key] = emulator, stack.enter_context(started(command, env=bench.environment, cwd=folder,
                                                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                                  stderr=subprocess.DEVNULL))
            for key, (_, process) in seen.items():
                if code := process.wait():
                    raise Failed(f"the run at {key} ended with {code}")
            return {key: emulator.requests() for key, (emulator, _) in seen.items()}


def busiest(arrivals):
    """The most requests in any stretch as long as the window."""
    arrivals, first, most = sorted(arrivals), 0, 0
    for last, at in enumerate(arrivals):
        while arrivals[first] <= at - WINDOW:
            first += 1
        most = max(most, last - first + 1)
    return most


def quota_used(requests):
    """The share of the quota of all windows but the last that was used, and the 429s after the first.

    As the server counts: a window opens with the first request after the one before it has run out.
    """
    windows = []
    for at, status in sorted(requests):
        if not windows or at >= windows[-1][0] + WINDOW:
            windows.append((at, []))
        windows[-1][1].append(status)
    if len(windows) <= WINDOWS:
        raise Failed(f"only {len(windows)} windows, where {QUOTA} requests of each could have left")
    whole = [statuses.count(200) for _, statuses in windows[:-1]]
    return sum(whole) / (QUOTA * len(whole)), sum(statuses.count(429) for _, statuses in windows[1:])
