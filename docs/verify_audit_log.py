"""Checks an audit log of decom, without decom: with Python's standard library alone.

    python3 verify_audit_log.py decom-audit.db [FOLDER_OF_CHECKPOINTS]

It checks what `decom audit verify` checks: the schema, the indexes, the number, types, time and hash of every record,
that the records fit together and add up, that every outcome fits what the API replied, and that the checkpoints fit (see
audit-log.md). Who signed them it cannot tell; `ssh-keygen -Y verify -n decom-audit` can. It writes nothing, and ends with
0 if all this holds, 1 if not, 2 if there is no log.
"""

import hashlib
import json
import pathlib
import re
import sqlite3
import sys

COLUMNS = """seq kind at_us run target number name verdict http_status error_code message latency_us
waited_us datasource_id outcome evidence reason ticket detail hash""".split()
INTEGERS = set("seq at_us run target number http_status latency_us waited_us".split())
# The columns that a record of each kind needs, beside those of all, and those that it may have.
ALWAYS = {"seq", "kind", "at_us", "hash"}
KINDS = {kind: (set(needs.split()), set(may.split())) for kind, needs, may in [
    ("log", "name detail", ""),
    ("run", "name detail", "reason ticket"),
    ("target", "run number name", "reason ticket detail"),
    ("refused", "run message detail", ""),
    ("send", "run target number waited_us", ""),
    ("answer", "run target number verdict latency_us",
     "http_status error_code message datasource_id outcome evidence detail"),
    ("settle", "run target outcome evidence", "http_status error_code message detail"),
    ("check", "run evidence detail", "target"),
    ("resume", "run detail", ""),
    ("end", "run detail", ""),
    ("close", "name detail", "")]}
VERDICTS = """deleted not_found not_found_or_invalid in_use rejected unauthorized throttled server_error no_answer
not_sent""".split()
OUTCOMES = "deleted deleted_unconfirmed not_found in_use rejected failed unknown skipped".split()
# SHA-256 over the texts of each version of the schema: change one trigger or view, and it is another.
SCHEMAS = {1: "bff2edefa74628cf66aab7d2a58fdf020277b0b7a201c69f9a0c3884549a8ca2",
           2: "a0ed9e7a6f5d0dc3d1f6b9bce58395fca43feea9068cd27028367e533ca5364a",
           3: "50e961e37e8157d72d30515db3c611270e479fc8de55ddc21fe5d191830a4a83"}
# The second version names the checkpoint before it: the number of its records, and the SHA-256 of its text.
FORM = (r"decom audit checkpoint v(?:1|(2))\nlog (\w+)\nrecords ([1-9]\d*)\nhead ([0-9a-f]{64})\ntime \S+Z\n"
        r"(?(1)previous (?:none|([1-9]\d*) ([0-9a-f]{64}))\n)")
LONGEST_CHECKPOINT = 4096

# What an answer can settle, as verdict, outcome and evidence; and otherwise on which evidence which outcomes rest.
ANSWERED = {tuple(line.split()) for line in """deleted deleted acknowledged
not_found not_found refused
not_found deleted_unconfirmed not_found_after_doubt
not_found deleted_unconfirmed not_found_after_redelivery
in_use in_use refused
rejected rejected refused""".splitlines()}
OTHERWISE = {"absent_from_listing": "deleted_unconfirmed not_found", "still_listed": "failed rejected skipped",
             "no_clear_answer": "failed unknown", "rule": "skipped unknown", "queue": "skipped",
             "audit_log": "skipped in_use not_found rejected failed unknown"}
EVIDENCE = {evidence for _, _, evidence in ANSWERED} | set(OTHERWISE)
TOKEN_CODES = """AUTHENTICATION_ERROR AUTHENTICATION_ERR INVALID_SERVICE_TOKEN EXPIRED_SERVICE_TOKEN
INVALID_DATA_APP_API_KEY""".split()


class Text(bytes):
    """A TEXT as it is stored; what is bytes and no Text is a BLOB."""


def connect(path):
    """Opens the log for reading only, in the way that makes no file beside it."""
    header, wal = pathlib.Path(path).open("rb").read(20), pathlib.Path(f"{path}-wal")
    ahead = wal.exists() and wal.stat().st_size > 0
    if not header.startswith(b"SQLite format 3\0"):
        raise FileNotFoundError(f"{path} is not an SQLite database")
    if ahead and header[18:20] == b"\1\1":
        raise ValueError("a -wal lies beside a log that says that it has none")
    alone = header[18:20] == b"\2\2" and not ahead
    uri = pathlib.Path(path).resolve().as_uri() + ("?mode=ro&immutable=1" if alone else "?mode=ro")
    log = sqlite3.connect(uri, uri=True)
    log.text_factory = Text
    log.execute("PRAGMA trusted_schema = OFF")
    if log.execute("PRAGMA application_id").fetchone() != (0x6465636D,):
        raise FileNotFoundError(f"{path} is not an audit log of decom")
    if log.execute("PRAGMA user_version").fetchone()[0] > max(SCHEMAS):
        raise FileNotFoundError(f"{path} is of a newer version of decom; use its version of this script")
    return log


def canonical(row):
    """The bytes of a record that are hashed, behind the hash of the record before it."""
    form = b""
    for value in row[:-1]:
        if isinstance(value, int):
            form += b"\1" + value.to_bytes(8, "big", signed=True)
        else:  # NULL is a zero; of anything else the type is found to be wrong
            form += b"\2" + len(value).to_bytes(4, "big") + value if isinstance(value, Text) else b"\0"
    return form


def fits(column, value):
    """Whether the column can hold the value."""
    if column == "hash":
        return type(value) is bytes and len(value) == 32
    if value is None or column in INTEGERS:
        return value is None or isinstance(value, int)
    return isinstance(value, Text) and value.decode("utf-8", "replace").encode() == value


def can_show(verdict, status, code):
    """Whether a reply with this status and error code can have had this verdict."""
    if status is None:
        return verdict in ("no_answer", "not_sent")
    return {
        "deleted": status == 200 and not code,
        "not_found": code == "DATASOURCE_NAME_ERROR",
        "not_found_or_invalid": status == 400 and code == "INVALID_REQUEST_BODY",
        "in_use": code == "DATASOURCE_IN_USE",
        "unauthorized": status == 401 or code in TOKEN_CODES,
        "throttled": status == 429,
        "server_error": status == 408 or 500 <= status <= 599,
        "rejected": 300 <= status <= 499 and status not in (401, 408, 429),
        "no_answer": status == 400 or not 300 <= status <= 599,
    }.get(verdict, False)


def words_of(record):
    """The texts of a record; what is none is None."""
    return {column: value.decode("utf-8", "replace") for column, value in record.items() if isinstance(value, Text)}


def contradictions(seq, kind, words, status):
    """Words that decom does not write, and what a record says of a reply and of an outcome that cannot both be."""
    verdict, outcome, evidence = (words.get(word) for word in ("verdict", "outcome", "evidence"))
    for word, known in ((verdict, VERDICTS), (outcome, OUTCOMES), (evidence, EVIDENCE)):
        if word is not None and word not in known:
            yield f"record {seq}: decom does not write `{word}` there"
    if verdict and not can_show(verdict, status, words.get("error_code")):
        yield f"record {seq}: the verdict {verdict} contradicts the reply"
    fits = (verdict, outcome, evidence) in ANSWERED if verdict else outcome in OTHERWISE.get(evidence, "").split()
    if outcome and not fits:
        yield f"record {seq}: the outcome {outcome} contradicts the verdict or the evidence"
    if kind in ("log", "run", "end") and not isinstance(parsed(words.get("detail")), dict):
        yield f"record {seq}: the detail is not a JSON object"
    if kind == "target" and role(words.get("detail")) is None:
        yield f"record {seq}: the detail does not say what its target is"


def parsed(text):
    """What a text holds as JSON; None if it is not JSON."""
    try:
        return json.loads(text, parse_constant=lambda constant: float(f"not {constant}"))
    except (TypeError, ValueError):
        return None


def role(text):
    """The kind of a target, by its detail; None if that says something else than decom does."""
    detail = {} if text is None else parsed(text)
    if not isinstance(detail, dict):
        return None
    kind, of, sha256, datamarts = (detail.get(key) for key in ("kind", "dependant_of", "definition_sha256", "datamarts"))
    if any(not isinstance(value, (str, type(None))) for value in (kind, of, sha256)):
        return None
    if datamarts is not None and (type(datamarts) is not int or datamarts < 0):
        return None
    kind = kind or "datasource"
    fits = of is None if kind == "datasource" else kind == "datamart" and of is not None and sha256 is not None
    return kind if fits else None


class Run:
    """A run that is not finished, and its targets."""

    def __init__(self):
        self.targets, self.settled, self.counts = set(), set(), dict.fromkeys(OUTCOMES, 0)

    def pending(self):
        return len(self.targets) - sum(self.counts.values())


class Account:
    """Holds the records against each other, in their order."""

    def __init__(self):
        self.log_id, self.anchored, self.closed, self.runs = None, None, False, {}
        self.names, self.unanswered, self.doubted = {}, {}, set()

    def take(self, record, kind, words):
        """What the next record says otherwise than those before it."""
        seq, number = record["seq"], record["number"]
        if (kind == "log") != (seq == 1) or self.closed:
            yield f"record {seq}: a log begins once, and nothing follows the record that closes it"
        self.closed = kind == "close"
        if kind == "log":
            self.log_id = self.log_id or words.get("name")
        elif kind == "run":
            self.runs[seq] = Run()
            settings = (parsed(words.get("detail")) or {}).get("settings")
            if isinstance(settings, dict) and settings.get("checkpoints") is True:
                self.anchored = seq
        elif kind != "close":
            run = self.runs.get(record["run"])
            if run is None:
                yield f"record {seq}: there is no run {record['run']} that is not finished"
            elif kind == "target":
                run.targets.add(seq)
                if number != len(run.targets):
                    yield f"record {seq}: target {number} of its run stands where {len(run.targets)} should"
                # A datasource and a datamart of one name are two resources.
                self.names[seq] = (role(words.get("detail")), words.get("name"))
                if (parsed(words.get("detail")) or {}).get("redelivered"):
                    self.doubted.add(self.names[seq])
            elif kind == "end":
                yield from self.end(record, run, words)
            elif kind not in ("resume", "refused") and (kind, record["target"]) != ("check", None):
                yield from self.about(record, kind, run, words)

    def about(self, record, kind, run, words):
        """What a record about a target says otherwise."""
        seq, target, outcome = record["seq"], record["target"], words.get("outcome")
        name, attempt = self.names.get(target), (target, record["number"])
        if target not in run.targets:
            yield f"record {seq}: there is no target {target} in its run"
            return
        if kind == "send":
            if attempt in self.unanswered or target in run.settled:
                yield f"record {seq}: a request that is there already, or for a target that has an outcome"
            self.unanswered[attempt] = (name, record["run"])
        elif kind == "answer" and self.unanswered.pop(attempt, None) is None:
            yield f"record {seq}: an answer without a request"
        open_names = (name for name, _ in self.unanswered.values())
        if outcome == "deleted_unconfirmed" and name not in self.doubted and name not in open_names:
            yield f"record {seq}: no request for this name raised doubt"
        if words.get("verdict") in ("server_error", "no_answer"):
            self.doubted.add(name)
        if outcome is not None and target in run.settled:
            yield f"record {seq}: a second outcome of target {target}"
        elif outcome is not None:
            run.settled.add(target)
            run.counts[outcome] = run.counts.get(outcome, 0) + 1

    def end(self, record, run, words):
        """What the end of a run says otherwise than its records."""
        seq, detail = record["seq"], parsed(words.get("detail"))
        said = detail.get("counts") if isinstance(detail, dict) else None
        if not isinstance(said, dict) or not isinstance(detail.get("status"), str):
            yield f"record {seq}: the end of the run cannot be read"
            return
        for outcome, found in [*run.counts.items(), ("pending", run.pending())]:
            if said.get(outcome, 0) != found:
                yield f"record {seq}: the end says {said.get(outcome, 0)} {outcome}, and the records say {found}"
        if detail["status"] == "finished":
            if run.pending() > 0:
                yield f"record {seq}: the run is finished, and {run.pending()} of its targets have no outcome"
            del self.runs[record["run"]]
            # Whatever these requests did: their targets were settled in another way, which leaves the doubt.
            for attempt, (name, of) in list(self.unanswered.items()):
                if of == record["run"]:
                    self.doubted.add(name)
                    del self.unanswered[attempt]


def schema_problems(log):
    """What is wrong with the database as a whole."""
    yield from (word.decode("utf-8", "replace") for (word,) in log.execute("PRAGMA integrity_check") if word != b"ok")
    (encoding,) = log.execute("PRAGMA encoding").fetchone()
    if encoding != b"UTF-8":
        yield f"the text is stored as {encoding.decode()}, and decom stores UTF-8"
    rows = log.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    if any(not isinstance(value, Text) for row in rows for value in row[:3] + (row[3] or Text(),)):
        yield "a row of the schema holds something else than texts"
        return
    # Tables of other programs, such as the statistics of ANALYZE, touch no record: they are not covered.
    ours = [(kind, name, table, sql or b"") for kind, name, table, sql in rows
            if kind not in (b"table", b"index") or table == b"record"]
    (version,) = log.execute("PRAGMA user_version").fetchone()
    digest = hashlib.sha256(b"\0".join(b"\0".join(row) for row in sorted(ours, key=lambda row: row[:2]))).hexdigest()
    if digest != SCHEMAS.get(version):
        yield "a table, an index, a trigger or a view is not as decom made it"
        return
    # SQLite's check does not find an entry too many in an index that has but some of the records.
    for name, sql in ((name.decode(), sql.decode()) for kind, name, _, sql in ours if kind == b"index"):
        which = sql.partition(" WHERE ")[2]
        counts = [f"SELECT count(*) FROM record {way} WHERE {which}" for way in ("NOT INDEXED", f"INDEXED BY {name}")]
        if len({log.execute(count).fetchone() for count in counts}) > 1:
            yield f"an index does not hold what the records say: {name}"


def problems(log, folder=None):
    """Everything that is wrong with the log, in words."""
    yield from schema_problems(log)
    previous, expected, last_time, hashes, account = bytes(32), 1, 0, [], Account()
    for row in log.execute(f"SELECT {', '.join(COLUMNS)} FROM record NOT INDEXED ORDER BY seq"):
        record = dict(zip(COLUMNS, row))
        seq = record["seq"]
        if seq != expected:
            yield f"record {expected} should be here, and record {seq} is"
        for column in (column for column, value in record.items() if not fits(column, value)):
            yield f"record {seq}: `{column}` is of another type"
        if hashlib.sha256(previous + canonical(row)).digest() != record["hash"]:
            yield f"record {seq} does not match its hash"
        if not isinstance(record["at_us"], int) or record["at_us"] < last_time:
            yield f"record {seq} is earlier than the one before it"
        previous, expected, last_time = record["hash"], seq + 1, record["at_us"]
        hashes.append(record["hash"])
        words = words_of(record)
        kind = words.get("kind")
        if kind not in KINDS:
            yield f"record {seq}: there is no kind `{kind}` of record"
            continue
        needs, may = KINDS[kind]
        is_set = {column for column, value in record.items() if value is not None}
        for column in sorted((needs | ALWAYS) - is_set | is_set - needs - may - ALWAYS):
            yield f"record {seq}: a record of the kind `{kind}` {'has no' if column in is_set else 'needs'} `{column}`"
        yield from contradictions(seq, kind, words, record["http_status"])
        yield from account.take(record, kind, words)
    yield from ["there is no record"] if account.log_id is None else []
    yield from anchors(folder, account.log_id, hashes, account.anchored)


def anchors(folder, log_id, hashes, anchored):
    """What the checkpoints in `folder` say otherwise."""
    if folder is None:
        return
    newest, of_others, known = 0, [], {}
    for path in sorted(pathlib.Path(folder).glob("*.checkpoint")):
        # A pipe would be waited for.
        is_small = path.is_file() and path.stat().st_size <= LONGEST_CHECKPOINT
        text = path.read_bytes() if is_small else b""
        said = re.fullmatch(FORM, text.decode("utf-8", "replace"))
        if said is None:
            yield f"{path} is no checkpoint"
        elif said[2] != log_id:
            of_others.append(path)
        else:
            records = int(said[3])
            known[hashlib.sha256(text).hexdigest()] = (path, records, said[5], said[6])
            if records > len(hashes):
                yield f"{path} knows of {records} records, and the log has {len(hashes)}"
            elif hashes[records - 1].hex() != said[4]:
                yield f"{path} knows another record {records}"
            else:
                newest = max(newest, records)
    if of_others and not known:
        yield f"{of_others[0]} is of another log, and so are all checkpoints there"
    oldest = min((records for _, records, _, _ in known.values()), default=0)
    for path, _, before, digest in known.values():
        if digest and digest not in known and int(before) > oldest:
            yield f"{path} names a checkpoint of {before} records before it, which was removed"
    if anchored and newest < anchored - 1:
        yield f"the checkpoints of the run of record {anchored} are not here"


def main(path, folder=None):
    try:
        found = list(problems(connect(path), folder))
    except OSError as error:
        return print(f"nothing was checked: {error}", file=sys.stderr) or 2
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError) as error:
        found = [f"damaged beyond reading: {error!r}"]
    print(*found[:20], f"{path}: {'NOT sound' if found else 'sound'}", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) in (2, 3) else __doc__)
