//! What has to be checked and done in one step: scripts that Redis runs, each as a whole.
//!
//! Redis acknowledges and hands over for whoever asks. The scripts ask first whether the delivery is
//! still the asker's own, so that who was too slow cannot take away what another is working on.

/// What all of them begin with. `KEYS`: the stream, then the dead-letter stream. `ARGV`: the group,
/// the worker, and what each of them takes.
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
            -- Nobody else waits for what has been idle for so long already: a year.
            local function give_back(id)
                redis.call('XCLAIM', stream, group, 'given-back', 0, id, 'IDLE', 31536000000, 'JUSTID')
            end
            ",
            $body
        )
    };
}

/// Takes the entry of a delivery off the stream. 0 where it is no longer the worker's.
pub(super) const ACKNOWLEDGE: &str = script!(
    "if not own(ARGV[3], ARGV[4]) then return 0 end
    done(ARGV[3])
    return 1"
);

/// Leaves the entry of a delivery for whoever looks next. 0 where it is no longer the worker's.
pub(super) const GIVE_BACK: &str = script!(
    "if not own(ARGV[3], ARGV[4]) then return 0 end
    give_back(ARGV[3])
    return 1"
);

/// Moves the entry of a delivery to the dead-letter stream: its body, and why. 0 where it is no
/// longer the worker's.
pub(super) const SET_ASIDE: &str = script!(
    "if not own(ARGV[3], ARGV[4]) then return 0 end
    redis.call('XADD', KEYS[2], '*', 'body', ARGV[5], 'why', ARGV[6], 'id', ARGV[3])
    done(ARGV[3])
    return 1"
);

/// Makes the deliveries fresh again that are still the worker's; neither their count nor their
/// owner changes.
pub(super) const KEEP: &str = script!(
    "for i = 3, #ARGV, 2 do
        if own(ARGV[i], ARGV[i + 1]) then
            redis.call('XCLAIM', stream, group, worker, 0, ARGV[i], 'JUSTID')
        end
    end
    return 1"
);

/// How many entries nobody is at work on: never given out, given back, or left for too long.
pub(super) const WAITING: &str = script!(
    "local pending = redis.call('XPENDING', stream, group)[1]
    local left = #redis.call('XPENDING', stream, group, 'IDLE', ARGV[3], '-', '+', 100000)
    return math.max(0, redis.call('XLEN', stream) - pending + left)"
);

/// Gives back what the worker still has, and forgets the worker.
pub(super) const CLOSE: &str = script!(
    "for _, held in ipairs(redis.call('XPENDING', stream, group, '-', '+', 100000, worker)) do
        give_back(held[1])
    end
    redis.call('XGROUP', 'DELCONSUMER', stream, group, worker)
    return 1"
);
