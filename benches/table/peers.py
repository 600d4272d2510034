"""What is measured beside decom, and what that takes: from Debian, and from crates.io."""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import sys

# Programs, and the Debian packages that have them.
PACKAGES = {"nginx": "nginx-light", "time": "time", "curl": "curl", "parallel": "parallel", "cc": "gcc libc6-dev",
            "strip": "binutils", "aiohttp": "python3-aiohttp"}
# Debian's own, which has Debian's libraries.
PYTHON = "/usr/bin/python3"
ROOT = pathlib.Path(__file__).parents[2]


def need(*programs):
    """Installs those that are missing."""
    missing = [package for program in programs if not _is_there(program) for package in PACKAGES[program].split()]
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit(f"missing; as root: apt-get install {' '.join(missing)}")
    print("installing", *missing, file=sys.stderr)
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    with _nothing_started():
        subprocess.run(["apt-get", "update"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *missing], **quiet)


@contextlib.contextmanager
def _nothing_started():
    """Keeps Debian from starting the servers that it installs."""
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    try:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink()


def _is_there(program):
    if program == "aiohttp":
        return subprocess.run([PYTHON, "-c", "import aiohttp"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return shutil.which(program) is not None


@functools.cache
def oha():
    """oha, from crates.io."""
    installed = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "bin/oha"
    if found := shutil.which("oha"):
        return found
    if not installed.exists():
        print("installing oha from crates.io (minutes)", file=sys.stderr)
        subprocess.run(["cargo", "install", "--quiet", "--locked", "oha"], check=True)
    return str(installed)


@functools.cache
def decom():
    """Builds decom as packages have it, and returns where it is."""
    return _build("dist", "--profile", "dist", "--bin", "decom") / "decom"


@functools.cache
def emulator():
    """Builds the emulator as the tests have it, which is quick enough for a limit."""
    return _build("debug", "--example", "emulator") / "examples/emulator"


def _build(profile, *what):
    print("building", what[-1], file=sys.stderr)
    subprocess.run(["cargo", "build", "--quiet", "--locked", *what], cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / profile
