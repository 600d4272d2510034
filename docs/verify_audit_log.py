"""Checks an audit log of decom, without decom: with Python's standard library alone.

    python3 verify_audit_log.py decom-audit.db [FOLDER_OF_CHECKPOINTS]

It checks the schema, the indexes, the number, types, time and hash of every record, that every target has
one outcome, which fits what the API replied, and that the checkpoints fit (see audit-log.md);
`ssh-keygen -Y verify -n decom-audit` says who signed them. It writes nothing, and ends with 0 if all this
holds, 1 if not, 2 if there is no log.
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
# SHA-256 over the texts of each version of the schema: change one trigger or view, and it is another.
SCHEMAS = {1: "bff2edefa74628cf66aab7d2a58fdf020277b0b7a201c69f9a0c3884549a8ca2",
           2: "a0ed9e7a6f5d0dc3d1f6b9bce58395fca43feea9068cd27028367e533ca5364a"}
FORM = r"decom audit checkpoint v1\nlog (\w+)\nrecords ([1-9]\d*)\nhead ([0-9a-f]{64})\ntime \S+Z\n"


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


def contradictions(record):
    """What a record says of a reply and of an outcome that cannot both be."""
    words = ("verdict", "outcome", "evidence", "error_code")
    verdict, outcome, evidence, code = (record[word] and record[word].decode() for word in words)
    if verdict and not can_show(verdict, record["http_status"], code):
        yield f"record {record['seq']}: the verdict {verdict} contradicts the reply"
    fits = (verdict, outcome, evidence) in ANSWERED if verdict else outcome in OTHERWISE.get(evidence, "").split()
    if outcome and not fits:
        yield f"record {record['seq']}: the outcome {outcome} contradicts the verdict or the evidence"


def problems(log, folder=None):
    """Everything that is wrong with the log, in words."""
    yield from (word for (word,) in log.execute("PRAGMA integrity_check") if word != b"ok")
    # Tables of other programs, such as the statistics of ANALYZE, touch no record: they are not covered.
    query = """SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema
                WHERE type NOT IN ('table', 'index') OR tbl_name = 'record' ORDER BY type, name"""
    texts = [row for row in log.execute(query) if all(isinstance(value, Text) for value in row)]
    (version,) = log.execute("PRAGMA user_version").fetchone()
    if hashlib.sha256(b"\0".join(b"\0".join(row) for row in texts)).hexdigest() != SCHEMAS.get(version):
        yield "a table, an index, a trigger or a view is not as decom made it"
    else:  # SQLite's check does not find an entry too many in an index that has but some of the records
        for name, sql in log.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'record'").fetchall():
            name, which = f"INDEXED BY {name.decode()}", sql.decode().partition(" WHERE ")[2]
            counts = [f"SELECT count(*) FROM record {way} WHERE {which}" for way in ("NOT INDEXED", name)]
            if len({log.execute(count).fetchone() for count in counts}) > 1:
                yield f"an index does not hold what the records say: {name}"
    previous, expected, last_time, hashes = bytes(32), 1, 0, []
    log_id, settled, targets, open_runs, anchored, closed = None, set(), {}, set(), None, False
    names, unanswered, doubted = {}, {}, set()
    for row in log.execute(f"SELECT {', '.join(COLUMNS)} FROM record ORDER BY seq"):
        record = dict(zip(COLUMNS, row))
        seq, kind, run = record["seq"], record["kind"], record["run"]
        if seq != expected:
            yield f"record {expected} should be here, and record {seq} is"
        for column in (column for column, value in record.items() if not fits(column, value)):
            yield f"record {seq}: `{column}` is of another type"
        if hashlib.sha256(previous + canonical(row)).digest() != record["hash"]:
            yield f"record {seq} does not match its hash"
        if not isinstance(record["at_us"], int) or record["at_us"] < last_time:
            yield f"record {seq} is earlier than the one before it"
        if (kind == b"log") != (seq == 1) or closed:
            yield f"record {seq}: a log begins once, and nothing follows the record that closes it"
        previous, expected, last_time, closed = record["hash"], seq + 1, record["at_us"], kind == b"close"
        hashes.append(record["hash"])

        if kind == b"log":
            log_id = record["name"].decode()
        elif kind == b"run":
            open_runs.add(seq)
            anchored = seq if json.loads(record["detail"]).get("settings", {}).get("checkpoints") else anchored
        elif run not in open_runs and kind != b"close":
            yield f"record {seq}: there is no run {run} that is not finished"
        elif kind == b"target":
            targets[seq] = run
        elif record["target"] is not None and targets.get(record["target"]) != run:
            yield f"record {seq}: there is no target {record['target']} in its run"
        yield from contradictions(record)
        name, attempt = names.get(record["target"]), (record["target"], record["number"])
        if kind == b"target":
            detail = json.loads(record["detail"] or "{}")
            # A datasource and a datamart of one name are two resources.
            names[seq] = (detail.get("kind", "datasource"), record["name"])
            if detail.get("redelivered"):
                doubted.add(names[seq])
        elif kind == b"send":
            unanswered[attempt] = name
        elif kind == b"answer":
            unanswered.pop(attempt, None)
        if record["outcome"] == b"deleted_unconfirmed" and name not in doubted and name not in unanswered.values():
            yield f"record {seq}: no request for this name raised doubt"
        if record["verdict"] in (b"server_error", b"no_answer"):
            doubted.add(name)
        if record["outcome"] is not None and record["target"] in settled:
            yield f"record {seq}: a second outcome of target {record['target']}"
        if record["outcome"] is not None:
            settled.add(record["target"])
        if kind == b"end" and json.loads(record["detail"])["status"] == "finished":
            open_runs.discard(run)
            if any(of == run and target not in settled for target, of in targets.items()):
                yield f"record {seq}: the run is finished, and a target has no outcome"
    yield from ["there is no record"] if log_id is None else []
    yield from anchors(folder, log_id, hashes, anchored)


def anchors(folder, log_id, hashes, anchored):
    """What the checkpoints in `folder` say otherwise."""
    newest = 0
    for path in sorted(pathlib.Path(folder).glob("*.checkpoint")) if folder else []:
        said = re.fullmatch(FORM, path.read_text(errors="replace"))
        if said is None:
            yield f"{path} is no checkpoint"
        elif said[1] == log_id:
            records = int(said[2])
            if records > len(hashes):
                yield f"{path} knows of {records} records, and the log has {len(hashes)}"
            elif hashes[records - 1].hex() != said[3]:
                yield f"{path} knows another record {records}"
            else:
                newest = max(newest, records)
    if folder and anchored and newest < anchored - 1:
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
