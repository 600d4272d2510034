-- What a merged file has beside the tables, indexes, triggers and views of a log (see archive/merge/mod.rs).
--
-- Each log's records stand one behind the other in `record`, moved as a whole: `shift` is how many
-- records of other logs stand before them, and `seq`, `run` and `target` are that much greater than in
-- the log that they come from. All else is as it was.
CREATE TABLE log (
    number  INTEGER PRIMARY KEY,   -- 1, 2, 3, ... in the order in which they stand
    log_id  TEXT NOT NULL UNIQUE,
    source  TEXT NOT NULL,         -- the file that it was read from, as it was named
    shift   INTEGER NOT NULL,
    records INTEGER NOT NULL,
    head    BLOB NOT NULL CHECK (length(head) = 32)  -- the hash of its last record
) STRICT;

-- The records as they are in their own logs: what the hashes go over, in the order of `seq`.
CREATE VIEW chained AS
SELECT
    l.log_id,
    r.seq - l.shift AS seq,
    r.kind,
    r.at_us,
    r.run - l.shift AS run,
    r.target - l.shift AS target,
    r.number,
    r.name,
    r.verdict,
    r.http_status,
    r.error_code,
    r.message,
    r.latency_us,
    r.waited_us,
    r.datasource_id,
    r.outcome,
    r.evidence,
    r.reason,
    r.ticket,
    r.detail,
    r.hash
FROM log l
JOIN record r ON r.seq > l.shift AND r.seq <= l.shift + l.records;

CREATE VIEW log_of_run AS
SELECT r.name AS run_id, l.log_id
FROM record r
JOIN log l ON r.seq > l.shift AND r.seq <= l.shift + l.records
WHERE r.kind = 'run';
