//! Scripts that Redis runs atomically, for checks and changes in one step.
//!
//! Redis lets any client acknowledge or claim an entry. The scripts check first that the delivery still belongs to the
//! worker, so that a slow worker cannot take an entry from another.

/// The start of every script. `KEYS` are the stream and the dead-letter stream; `ARGV` are the group, the worker, and
/// the script's own arguments.
macro_rules! script {
    ($body:literal) => {
        concat!(
            "local stream, group, worker = KEYS[1], ARGV[1], ARGV[2]
            local function own(id, count)
                local held = redis.call('XPENDING', stream, group, id, id, 1, worker)
                return #held == 1 and tostring(held[1][4]) == count
            end
            local function done(id)
                redis.call('XACK', stream, group, id)
                redis.call('XDEL', stream, id)
            end
            -- Idle for a year already, so that the next worker takes it.
            local function give_back(id)
                redis.call('XCLAIM', stream, group, 'given-back', 0, id, 'IDLE', 31536000000, 'JUSTID')
            end
            ",
            $body
        )
    };
}

/// Removes the entry of a delivery. Returns 0 if it is no longer the worker's.
pub(super) const ACKNOWLEDGE: &str = script!(
    "if not own(ARGV[3], ARGV[4]) then return 0 end
    done(ARGV[3])
    return 1"
);

/// Leaves the entry of a delivery to the next worker. Returns 0 if it is no longer the worker's.
pub(super) const GIVE_BACK: &str = script!(
    "if not own(ARGV[3], ARGV[4]) then return 0 end
    give_back(ARGV[3])
    return 1"
);

/// Moves the entry of a delivery to the dead-letter stream, with the reason. Returns 0 if it is no longer the worker's.
pub(super) const SET_ASIDE: &str = script!(
    "if not own(ARGV[3], ARGV[4]) then return 0 end
    redis.call('XADD', KEYS[2], '*', 'body', ARGV[5], 'why', ARGV[6], 'id', ARGV[3])
    done(ARGV[3])
    return 1"
);

/// Resets the idle time of those deliveries that are still the worker's, without another delivery. Returns 1 for each
/// of these, and 0 for the others.
pub(super) const EXTEND: &str = script!(
    "local kept = {}
    for i = 3, #ARGV, 2 do
        local is_own = own(ARGV[i], ARGV[i + 1])
        if is_own then
            redis.call('XCLAIM', stream, group, worker, 0, ARGV[i], 'JUSTID')
        end
        kept[#kept + 1] = is_own and 1 or 0
    end
    return kept"
);

/// The number of entries that were never delivered, given back, or idle too long.
pub(super) const WAITING: &str = script!(
    "local pending = redis.call('XPENDING', stream, group)[1]
    local left = #redis.call('XPENDING', stream, group, 'IDLE', ARGV[3], '-', '+', 100000)
    return math.max(0, redis.call('XLEN', stream) - pending + left)"
);

/// Gives back all entries of the worker, and removes the worker.
pub(super) const CLOSE: &str = script!(
    "for _, held in ipairs(redis.call('XPENDING', stream, group, '-', '+', 100000, worker)) do
        give_back(held[1])
    end
    redis.call('XGROUP', 'DELCONSUMER', stream, group, worker)
    return 1"
);
