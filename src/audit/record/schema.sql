-- The audit log: one append-only table of records, chained by SHA-256. The public views on it are in files of their
-- own, one for each version of the schema.
--
-- Every record has the same columns, so that one rule gives the canonical form of all of them
-- (see canonical.rs): the columns in the order below, but for `hash`.
CREATE TABLE record (
    seq           INTEGER PRIMARY KEY,  -- 1, 2, 3, ... without a gap
    kind          TEXT NOT NULL,        -- log, run, target, refused, send, answer, settle, check, resume, end, close
    at_us         INTEGER NOT NULL,     -- microseconds since 1970, UTC; never less than the record before
    run           INTEGER,              -- seq of the `run` record that this one belongs to
    target        INTEGER,              -- seq of the `target` record that this one is about
    number        INTEGER,              -- target: its number in the run; send, answer: the attempt's number
    name          TEXT,                 -- log, close: a log's id; run: the run's id; target: the datasource
    verdict       TEXT,                 -- answer: what the attempt showed
    http_status   INTEGER,
    error_code    TEXT,
    message       TEXT,
    latency_us    INTEGER,              -- answer: first byte sent to last byte read
    waited_us     INTEGER,              -- send: waited for the rate limit
    datasource_id TEXT,                 -- answer: the id that the API told
    outcome       TEXT,                 -- answer, settle: set where this record settles its target
    evidence      TEXT,                 -- how the outcome is known
    reason        TEXT,
    ticket        TEXT,
    detail        TEXT,                 -- what has no column; JSON, but for the bare word of a skip
    hash          BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE UNIQUE INDEX record_run ON record (name) WHERE kind = 'run';
CREATE INDEX record_target_of_run ON record (run, number) WHERE kind = 'target';
CREATE INDEX record_datasource ON record (name) WHERE kind = 'target';
CREATE INDEX record_about_target ON record (target, number) WHERE target IS NOT NULL;
CREATE INDEX record_outcome ON record (run, outcome) WHERE outcome IS NOT NULL;
CREATE INDEX record_run_state ON record (run) WHERE kind IN ('resume', 'end');
CREATE INDEX record_check ON record (run) WHERE kind = 'check';
CREATE INDEX record_refused ON record (run) WHERE kind = 'refused';

CREATE TRIGGER record_is_never_updated BEFORE UPDATE ON record
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: no record is updated'); END;

CREATE TRIGGER record_is_never_deleted BEFORE DELETE ON record
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: no record is deleted'); END;

-- INSERT OR REPLACE fires neither of the two above, so an occupied place is refused here.
CREATE TRIGGER record_is_only_appended BEFORE INSERT ON record
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM record)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: a record goes behind the last one'); END;

CREATE TRIGGER record_settles_once BEFORE INSERT ON record
WHEN NEW.outcome IS NOT NULL
 AND EXISTS (SELECT 1 FROM record WHERE target = NEW.target AND outcome IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a target has exactly one outcome'); END;
