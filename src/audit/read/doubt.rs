//! What raises doubt and what settles it, as conditions of queries: one place for all who ask the log what is in doubt.

/// True if the attempt that `a` answers, if anything does, got no clear answer.
macro_rules! is_unclear {
    () => {
        "(a.verdict IS NULL OR a.verdict IN ('server_error', 'no_answer'))"
    };
}

/// True if nothing after attempt `s` showed whether the resource of target `t` exists on the host that is the parameter
/// `$host`. A refusal for another reason (403) does not show that.
macro_rules! is_unsettled {
    ($host:literal) => {
        concat!(
            "NOT EXISTS (
        SELECT 1 FROM record l
        JOIN record q ON q.seq = l.run
        JOIN record o ON o.target = l.seq
        WHERE l.kind = 'target' AND l.name = t.name AND o.seq > s.seq
          AND coalesce(l.detail ->> '$.kind', 'datasource') = coalesce(t.detail ->> '$.kind', 'datasource')
          AND (o.outcome IN ('deleted', 'deleted_unconfirmed', 'not_found', 'in_use')
               OR o.evidence = 'still_listed')
          AND q.detail ->> '$.base_url' = ",
            $host,
            ")"
        )
    };
}

pub(super) use {is_unclear, is_unsettled};
