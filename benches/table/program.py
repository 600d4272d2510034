"""The program itself."""

import subprocess
import time

import peers
from bench import Row

STARTS = 20


class Program:
    """Its size on the disk, and how long it takes to say its version."""

    ROWS = [
        Row("size", "the program, stripped", "≤ 15 MB", "{:.2f} MB".format),
        Row("version", "`decom --version`", "≤ 10 ms", "{:.1f} ms".format),
    ]

    def __init__(self, bench, wanted):
        self._bench, self._wanted = bench, wanted
        if "size" in wanted:
            peers.need("strip")

    def round(self):
        decom = self._bench.decom
        if "size" in self._wanted:
            stripped = self._bench.folder / "stripped"
            subprocess.run(["strip", "-o", stripped, decom], check=True)
            yield "size", (stripped.stat().st_size / 1e6,)
        if "version" in self._wanted:
            begun = time.perf_counter()
            for _ in range(STARTS):
                subprocess.run([decom, "--version"], stdout=subprocess.DEVNULL, check=True)
            yield "version", ((time.perf_counter() - begun) / STARTS * 1000,)
