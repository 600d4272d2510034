-- The public views of schema version 3. They never lose a column: one that is new comes last.
CREATE VIEW runs AS
SELECT
    r.name AS run_id,
    strftime('%Y-%m-%dT%H:%M:%S', r.at_us / 1000000, 'unixepoch') || printf('.%06dZ', r.at_us % 1000000) AS started_at,
    CASE e.kind WHEN 'end' THEN
        strftime('%Y-%m-%dT%H:%M:%S', e.at_us / 1000000, 'unixepoch') || printf('.%06dZ', e.at_us % 1000000)
    END AS finished_at,
    CASE e.kind WHEN 'end' THEN e.detail ->> '$.status' ELSE 'unfinished' END AS status,
    r.detail ->> '$.input' AS input,
    r.detail ->> '$.input_sha256' AS input_sha256,
    (SELECT count(*) FROM record t WHERE t.kind = 'target' AND t.run = r.seq) AS planned,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'deleted') AS deleted,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'deleted_unconfirmed') AS deleted_unconfirmed,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'not_found') AS not_found,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'in_use') AS in_use,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'rejected') AS rejected,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'failed') AS failed,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'unknown') AS unknown,
    (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome = 'skipped') AS skipped,
    (SELECT count(*) FROM record t WHERE t.kind = 'target' AND t.run = r.seq)
        - (SELECT count(*) FROM record o WHERE o.run = r.seq AND o.outcome IS NOT NULL) AS pending,
    r.detail ->> '$.operator' AS operator,
    r.reason AS reason,
    r.ticket AS ticket,
    r.detail ->> '$.base_url' AS base_url,
    r.detail ->> '$.tool_version' AS tool_version,
    r.detail ->> '$.host' AS host,
    CASE e.kind WHEN 'end' THEN e.detail ->> '$.exit_code' END AS exit_code,
    r.detail ->> '$.settings.origin.plan_digest' AS plan_digest,
    r.detail ->> '$.settings.origin.approved_by' AS approved_by,
    r.detail ->> '$.settings.origin.retry_of' AS retry_of,
    r.detail ->> '$.settings.rate' AS rate,
    -- 1 if everything was sent to the embedded emulator.
    coalesce(r.detail ->> '$.settings.origin.command', '') = 'rehearse' AS rehearsal
FROM record r
LEFT JOIN record e
    ON e.seq = (SELECT max(x.seq) FROM record x WHERE x.run = r.seq AND x.kind IN ('resume', 'end'))
WHERE r.kind = 'run';

CREATE VIEW results AS
SELECT
    r.name AS run_id,
    t.number AS target,
    CASE WHEN t.detail ->> '$.kind' IS 'datamart' THEN NULL ELSE t.name END AS datasource,
    coalesce(o.outcome, 'pending') AS outcome,
    coalesce((SELECT max(a.number) FROM record a WHERE a.target = t.seq), 0) AS attempts,
    o.http_status AS http_status,
    o.error_code AS error_code,
    o.message AS message,
    o.datasource_id AS datasource_id,
    -- An acknowledged deletion that the listing bore out afterwards: recorded once for the run.
    CASE WHEN o.outcome IN ('deleted', 'deleted_unconfirmed') THEN coalesce(
            (SELECT c.evidence FROM record c WHERE c.kind = 'check' AND c.target = t.seq),
            (SELECT c.evidence FROM record c
              WHERE c.kind = 'check' AND c.run = r.seq AND c.target IS NULL AND c.seq > o.seq),
            o.evidence)
        ELSE o.evidence END AS evidence,
    o.detail AS detail,
    (SELECT strftime('%Y-%m-%dT%H:%M:%S', a.at_us / 1000000, 'unixepoch') || printf('.%06dZ', a.at_us % 1000000)
       FROM record a WHERE a.target = t.seq AND a.number = 1 AND a.kind = 'send') AS first_attempt_at,
    strftime('%Y-%m-%dT%H:%M:%S', o.at_us / 1000000, 'unixepoch') || printf('.%06dZ', o.at_us % 1000000) AS finished_at,
    -- Those of the input's own row; `runs` has what was said for the run as a whole.
    t.reason AS target_reason,
    t.ticket AS target_ticket,
    -- The message that asked for it, where it came from a queue.
    t.detail ->> '$.message_id' AS message_id,
    t.name AS name,
    coalesce(t.detail ->> '$.kind', 'datasource') AS kind,
    -- Of a datamart: the datasource that it reads, and that is deleted after it.
    t.detail ->> '$.dependant_of' AS dependant_of,
    coalesce(r.detail ->> '$.settings.origin.command', '') = 'rehearse' AS rehearsal
FROM record t
JOIN record r ON r.seq = t.run AND r.kind = 'run'
LEFT JOIN record o ON o.target = t.seq AND o.outcome IS NOT NULL
WHERE t.kind = 'target';

-- Messages of a queue that asked for nothing that could be done. Whatever a message held, its control characters, which
-- a terminal obeys, are written as \u{...}; one with a NUL, at which SQLite's functions end, is shown as JSON.
CREATE VIEW refused_messages AS
SELECT
    r.name AS run_id,
    strftime('%Y-%m-%dT%H:%M:%S', m.at_us / 1000000, 'unixepoch') || printf('.%06dZ', m.at_us % 1000000) AS refused_at,
    m.message_id AS message_id,
    CASE WHEN m.body GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*' THEN (
        WITH RECURSIVE place(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM place WHERE n < length(m.body))
        SELECT group_concat(CASE
            WHEN unicode(substr(m.body, n, 1)) BETWEEN 32 AND 126 OR unicode(substr(m.body, n, 1)) > 159
                THEN substr(m.body, n, 1)
            ELSE printf('\u{%x}', unicode(substr(m.body, n, 1))) END, '')
          FROM (SELECT n FROM place ORDER BY n))
    ELSE m.body END AS body,
    m.why AS why
FROM (SELECT run, at_us, detail ->> '$.message_id' AS message_id, message AS why,
             CASE WHEN instr(detail -> '$.body', '\u0000') THEN detail -> '$.body' ELSE detail ->> '$.body' END AS body
        FROM record WHERE kind = 'refused') m
JOIN record r ON r.seq = m.run AND r.kind = 'run';

CREATE VIEW attempts AS
SELECT
    r.name AS run_id,
    t.number AS target,
    CASE WHEN t.detail ->> '$.kind' IS 'datamart' THEN NULL ELSE t.name END AS datasource,
    s.number AS attempt,
    strftime('%Y-%m-%dT%H:%M:%S', s.at_us / 1000000, 'unixepoch') || printf('.%06dZ', s.at_us % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', a.at_us / 1000000, 'unixepoch') || printf('.%06dZ', a.at_us % 1000000) AS finished_at,
    a.verdict AS verdict,
    a.http_status AS http_status,
    a.error_code AS error_code,
    a.message AS message,
    a.latency_us / 1000.0 AS latency_ms,
    s.waited_us / 1000.0 AS waited_ms,
    r.name || '-' || t.number || '-' || s.number AS request_id,
    t.name AS name,
    coalesce(t.detail ->> '$.kind', 'datasource') AS kind,
    coalesce(r.detail ->> '$.settings.origin.command', '') = 'rehearse' AS rehearsal
FROM record s
JOIN record t ON t.seq = s.target AND t.kind = 'target'
JOIN record r ON r.seq = t.run AND r.kind = 'run'
LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
WHERE s.kind = 'send';
