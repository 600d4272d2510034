"""Measures decom beside its peers and prints one table, in Markdown.

    python3 benches/table [OPTIONS]

Anybody on Debian can run it: as root it installs what is missing. docs/performance.md tells the method. All
that it starts and writes is gone when it ends; what it says while it runs goes to stderr.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import signal
import statistics
import sys

import bench
import million
import pace
import program
import speed

GROUPS = [speed.Peers, speed.SlowCommits, million.Million, pace.Pace, program.Program]


def arguments():
    keys = [row.key for group in GROUPS for row in group.ROWS]
    parser = argparse.ArgumentParser(prog="python3 benches/table", description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="ROWS", help="comma-separated, of: " + ", ".join(keys))
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which medians are printed (5)")
    parser.add_argument("--names", type=int, default=200_000, help="names for deletions a second (200000)")
    parser.add_argument("--million", type=int, default=1_000_000, help="what a million is (1000000)")
    parser.add_argument("--ten-million", action="store_true", help="the row memory-10m, too: once, and long")
    parser.add_argument("--seconds", type=int, default=60, help="for how long four a second are sent (60)")
    parser.add_argument("--quick", action="store_true", help="a try: one round of few names")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(os.environ.get("TMPDIR", "/tmp")),
                        help="where the audit logs are written: on the disk that is meant")
    parser.add_argument("--decom", type=pathlib.Path, help="a built decom (default: built here)")
    parser.add_argument("--emulator", type=pathlib.Path, help="the built example (default: built here)")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.names, options.million, options.seconds = 1, 5_000, 20_000, 10
    usual = [key for key in keys if options.ten_million or key != "memory-10m"]
    options.only = options.only.split(",") if options.only else usual
    if unknown := set(options.only) - set(keys):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    return options


def main():
    # A signal unwinds what was set up, as an error does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    samples = collections.defaultdict(list)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(bench.Bench(options))
        for group in GROUPS:
            wanted = [row for row in group.ROWS if row.key in options.only]
            if not wanted:
                continue
            group = group(place, {row.key for row in wanted})
            for number in range(options.rounds):
                bench.say(f"{type(group).__name__}, round {number + 1} of {options.rounds}")
                for key, sample in group.round():
                    bench.say(f"  {key}: {sample}")
                    samples[key].append(sample)
        print(place.described())
    print("\n| what | to reach | measured |\n|---|---|---|")
    for row in (row for group in GROUPS for row in group.ROWS if samples[row.key]):
        medians = [statistics.median(column) for column in zip(*samples[row.key])]
        print(f"| {row.what} | {row.goal} | {row.shown(*medians)} |")


if __name__ == "__main__":
    try:
        main()
    except bench.Failed as failure:
        sys.exit(f"benches/table: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
