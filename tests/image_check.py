"""Holds the container image to what is promised of it: the image itself, and what it does when it is run.

    unshare --net --mount python3 tests/image_check.py ROOT IMAGE FOLDER

ROOT is the mounted file system of the image, IMAGE what `buildah inspect --type image` says of it, and
FOLDER one to work in. It is run by crun as Kubernetes would run it: its own user, its own entry point, a
read-only root, no capabilities, and one volume that can be written to. The network is the one that this
script was started in and has for itself: it answers for a name server there.
"""

import http.server
import json
import os
import pathlib
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
import time
import tomllib

ROOT, IMAGE, FOLDER = (pathlib.Path(argument) for argument in sys.argv[1:])
HERE = pathlib.Path(__file__).resolve().parent.parent
CONFIG = json.loads(IMAGE.read_text())["OCIv1"]["config"]
USER = 65532
LARGEST = 25_000_000
PATIENCE = 120
passed = 0


def check(holds, what):
    """Counts what holds, and ends where something does not."""
    global passed
    if not holds:
        sys.exit(f"the image: {what}: that does not hold")
    passed += 1
    print(f"  {what}")


class Container:
    """One run of the image, with a volume at its working folder."""

    number = 0

    def __init__(self, arguments, volume, variables=(), mounts=()):
        Container.number += 1
        self.name = f"decom-check-{os.getpid()}-{Container.number}"
        self.folder = FOLDER / self.name
        self.folder.mkdir(parents=True)
        binds = [(FOLDER / "input", "/input", "ro"), *mounts]
        if volume:
            binds.append((volume, CONFIG["WorkingDir"], "rw"))
        system = [("proc", "/proc", "proc", []), ("tmpfs", "/dev", "tmpfs", ["nosuid", "mode=755", "size=64k"])]
        spec = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": USER, "gid": USER},
                "args": [*CONFIG["Entrypoint"], *arguments],
                "env": [*CONFIG["Env"], *variables],
                "cwd": CONFIG["WorkingDir"],
                "capabilities": {},
                "noNewPrivileges": True,
            },
            "root": {"path": str(ROOT), "readonly": True},
            "hostname": "decom",
            "mounts": [
                *({"source": a, "destination": b, "type": c, "options": d} for a, b, c, d in system),
                *(
                    {"source": str(a), "destination": b, "type": "bind", "options": ["bind", c]}
                    for a, b, c in binds
                ),
            ],
            "linux": {"namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts")]},
        }
        (self.folder / "config.json").write_text(json.dumps(spec))
        crun = ["crun", "--cgroup-manager=disabled", "run", "--bundle", self.folder, self.name]
        self.out, self.err = self.folder / "stdout", self.folder / "stderr"
        self.process = subprocess.Popen(
            crun, stdin=subprocess.DEVNULL, stdout=self.out.open("w"), stderr=self.err.open("w")
        )

    def pid(self):
        """Its first process, as this machine numbers it."""
        state = subprocess.run(["crun", "state", self.name], capture_output=True, check=True)
        return json.loads(state.stdout)["pid"]

    def until(self, what, condition):
        """Waits until something holds, as long as the container runs."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"the image: waited in vain for {what}: {self.err.read_text()}")
            time.sleep(0.01)

    def code(self):
        """How it ended."""
        return self.process.wait(PATIENCE)

    def said(self):
        return f"{self.out.read_text()}\n{self.err.read_text()}"


def run(arguments, volume, **others):
    """A run to its end: its exit code and what it said."""
    container = Container(arguments, volume, **others)
    return container.code(), container.said()


def volume(name):
    """A new volume, as a cluster gives it to the user's group."""
    folder = FOLDER / name
    folder.mkdir()
    os.chown(folder, 0, USER)
    folder.chmod(0o2775)
    return folder


def ask(log, query):
    with sqlite3.connect(f"file:{log}?mode=ro", uri=True) as connection:
        return connection.execute(query).fetchone()[0]


def is_sound(log):
    """What the script says that checks a log without decom."""
    checker = subprocess.run([sys.executable, HERE / "docs/verify_audit_log.py", log], capture_output=True)
    return checker.returncode == 0


def what_it_is():
    package = tomllib.loads((HERE / "Cargo.toml").read_text())["package"]
    check(CONFIG["User"] == f"{USER}:{USER}", f"runs as {USER}, by number")
    check(CONFIG["StopSignal"] == "SIGTERM", "is stopped by SIGTERM")
    check(CONFIG["Entrypoint"] == ["/usr/local/bin/decom"], "starts decom, without a shell around it")
    check(CONFIG["WorkingDir"] == "/var/lib/decom", "works where the audit log is to be")
    check(list(CONFIG["Volumes"]) == ["/var/lib/decom"], "has a volume there")
    labels = {key.removeprefix("org.opencontainers.image."): text for key, text in CONFIG["Labels"].items()}
    for key in ("version", "description"):
        check(labels[key] == package[key], f"the label {key} is that of the package")
    check(labels["licenses"] == package["license"], "the label licenses is that of the package")
    check(labels["title"] == "decom" and len(labels["revision"]) == 40, "is labelled with title and revision")

    files = [pathlib.Path(at) / name for at, _, names in os.walk(ROOT) for name in names]
    status = {file.relative_to(ROOT): file.lstat() for file in files}
    size = sum(each.st_size for each in status.values())
    check(size < LARGEST, f"has {size / 1e6:.1f} MB, less than {LARGEST / 1e6:.0f}")
    regular = {file: each for file, each in status.items() if stat.S_ISREG(each.st_mode)}
    programs = [str(file) for file, each in regular.items() if each.st_mode & 0o111]
    check(programs == ["usr/local/bin/decom"], "has one program: no shell, and no interpreter")
    libraries = [str(file) for file in status if ".so" in file.suffixes]
    check(libraries == [], "needs no library")
    mine = [str(file) for file, each in status.items() if each.st_uid == USER]
    check(mine == [], "no file belongs to the user that it runs as")
    home = (ROOT / "var/lib/decom").stat()
    check((home.st_uid, home.st_gid) == (USER, USER), "but the folder that a new volume is made from does")
    check((ROOT / "usr/share/doc/decom/LICENSE-MIT").exists(), "comes with its licences")


def what_it_does():
    package = tomllib.loads((HERE / "Cargo.toml").read_text())["package"]
    code, said = run(["--version"], None)
    check((code, said.strip()) == (0, f"decom {package['version']}"), "tells its version")

    rehearsed = volume("rehearsed")
    code, said = run(["rehearse", "/input/offboarding.csv"], rehearsed)
    log = rehearsed / "decom-audit-rehearsal.db"
    # The example has names that turn out to be in use.
    check(code == 1 and "This was a rehearsal: nothing real was deleted." in said, "rehearses the example")
    check(ask(log, "SELECT count(*) FROM results WHERE outcome = 'deleted'") > 1000, "to its end")
    check(ask(log, "SELECT status FROM runs") == "finished" and is_sound(log), "with a sound log")
    check(log.stat().st_uid == USER, "as its own user")
    code, said = run(["runs"], rehearsed, variables=["DECOM_AUDIT_DB=decom-audit-rehearsal.db"])
    check(code == 0 and ask(log, "SELECT run_id FROM runs") in said, "reads it again")

    for place in ("/tmp/audit.db", "/etc/decom/audit.db", "/audit.db"):
        code, said = run(["rehearse", "/input/offboarding.csv", "--audit-db", place], rehearsed)
        check(code == 5 and "Read-only file system" in said, f"writes no {place}: the root is read-only")
    code, said = run(["rehearse", "/input/offboarding.csv"], None)
    check(code == 5 and "Read-only file system" in said, "does nothing without a volume for its log")


def how_it_ends():
    stopped = volume("stopped")
    log = stopped / "decom-audit-rehearsal.db"
    container = Container(["rehearse", "/input/offboarding.csv", "--real-time", "--fault", "none"], stopped)

    def under_way():
        try:
            return ask(log, "SELECT count(*) FROM results WHERE outcome = 'deleted'") > 0
        except sqlite3.OperationalError:
            return False

    container.until("the first deletions", under_way)
    pid = container.pid()
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    check(fields["NSpid"].split()[-1] == "1", "is the first process of its container")
    check(set(fields["Uid"].split()) == {str(USER)} and int(fields["CapEff"], 16) == 0, "without any right")
    subprocess.run(["crun", "kill", container.name, CONFIG["StopSignal"].removeprefix("SIG")], check=True)
    check(container.code() == 143, "ends on SIGTERM, with exit code 143")
    check(is_sound(log), "with a sound log")
    left = ask(log, "SELECT pending FROM runs")
    check(0 < left < ask(log, "SELECT planned FROM runs"), "in the middle of its work")
    check(ask(log, "SELECT count(*) FROM attempts WHERE finished_at IS NULL") == 0, "with nothing under way")


class NameServer(threading.Thread):
    """Answers every question for an address with this machine's own."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.asked = set()

    def run(self):
        while True:
            question, sender = self.socket.recvfrom(512)
            end = question.index(b"\0", 12)
            labels, at = [], 12
            while at < end:
                labels.append(question[at + 1 : at + 1 + question[at]].decode())
                at += 1 + question[at]
            self.asked.add(".".join(labels))
            (kind,) = struct.unpack("!H", question[end + 1 : end + 3])
            answers = [b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"] if kind == 1 else []
            head = question[:2] + struct.pack("!HHHHH", 0x8580, 1, len(answers), 0, 0)
            self.socket.sendto(head + question[12 : end + 5] + b"".join(answers), sender)


class Api(http.server.BaseHTTPRequestHandler):
    """An API without datasources, that remembers by which name it was called."""

    hosts = set()

    def do_GET(self):
        Api.hosts.add(self.headers["host"])
        body = b'{"data": [], "error": null}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def how_it_finds_a_host():
    """A static program has to look up names without the libraries that glibc may want for that."""
    names = NameServer()
    names.start()
    api = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    # As in a cluster: a short name is looked up in the domains that are searched.
    resolver = FOLDER / "resolv.conf"
    resolver.write_text("search test.svc.cluster.local\nnameserver 127.0.0.1\noptions ndots:5\n")
    code, said = run(
        ["plan", "/input/offboarding.csv", "--base-url", "http://databrain:8080", "--allow-http"],
        volume("planned"),
        variables=["DATABRAIN_TOKEN=dbn_0123456789abcdef"],
        mounts=[(resolver, "/etc/resolv.conf", "ro")],
    )
    check(Api.hosts == {"databrain:8080"}, f"finds the API by its name ({code})")
    check("databrain.test.svc.cluster.local" in names.asked, "by asking DNS, as a cluster has it")


def main():
    FOLDER.mkdir()
    FOLDER.chmod(0o755)
    (FOLDER / "input").mkdir()
    example = HERE / "jobs/examples/offboarding.csv"
    (FOLDER / "input" / "offboarding.csv").write_bytes(example.read_bytes())
    # crun refuses a machine with both kinds of cgroups, though none is asked of it.
    if os.path.ismount("/sys/fs/cgroup/unified"):
        subprocess.run(["umount", "--lazy", "/sys/fs/cgroup/unified"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    what_it_is()
    what_it_does()
    how_it_ends()
    how_it_finds_a_host()
    print(f"{passed} checks of the image passed")


main()
