#!/usr/bin/env bash
# Measures how many audited deletions a second decom makes, side by side with clients that record
# nothing, and prints Markdown. Anyone on Debian can run it; see docs/performance.md for the method.
set -euo pipefail

usage() {
    cat <<'USAGE'
Usage: benches/throughput.sh [OPTIONS]

  --rounds N         rounds; medians are printed (default 5)
  --names N          names that decom, oha and curl --parallel delete (default 200000)
  --xargs-names N    names for xargs -P64 curl, a process each (default: names / 100)
  --concurrency N    requests under way at once (default 64)
  --only LIST        of decom,oha,curl,xargs (default: all of them)
  --spread           let the clients use every core, that of the server included
                     (default: the server on the first core, the clients on the second)
  --folder FOLDER    where the audit logs are written (default: $TMPDIR or /tmp)
  --decom FILE       an already built decom (default: built here, release profile)
  --port N           where the server listens (default 18480)
USAGE
}

rounds=5 names=200000 xargs_names='' concurrency=64 only=decom,oha,curl,xargs spread='' folder=${TMPDIR:-/tmp}
decom='' port=18480
while (($#)); do
    case $1 in
        --rounds) rounds=$2; shift 2 ;;
        --names) names=$2; shift 2 ;;
        --xargs-names) xargs_names=$2; shift 2 ;;
        --concurrency) concurrency=$2; shift 2 ;;
        --only) only=$2; shift 2 ;;
        --spread) spread=yes; shift ;;
        --folder) folder=$2; shift 2 ;;
        --decom) decom=$2; shift 2 ;;
        --port) port=$2; shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
: "${xargs_names:=$((names / 100 > 0 ? names / 100 : 1))}"

here=$(cd "$(dirname "$0")" && pwd)
say() { printf '%s\n' "$*" >&2; }
die() { say "throughput.sh: $*"; exit 1; }
wanted() { [[ ,$only, == *,$1,* ]]; }

# --- The peers -----------------------------------------------------------------------------------

missing=()
for pair in nginx:nginx-light curl:curl sqlite3:sqlite3 time:time xargs:findutils taskset:util-linux; do
    # `time` is a word of the shell's own, too: the program is meant.
    type -P "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if ((${#missing[@]})); then
    ((EUID == 0)) || die "missing; as root: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >/dev/null \
        || die "cannot install ${missing[*]}"
fi
if wanted oha && ! type -P oha >/dev/null; then
    say "installing oha from crates.io (minutes)"
    cargo install --quiet --locked oha || die "cannot install oha; leave it out with --only decom,curl,xargs"
    PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
fi
if [[ -z $decom ]]; then
    (cd "$here/.." && cargo build --quiet --release --locked)
    decom=${CARGO_TARGET_DIR:-$here/../target}/release/decom
fi
decom=$(realpath "$decom")

# --- The server and the names --------------------------------------------------------------------

cores=$(nproc)
on_server=() on_client=()
if ((cores > 1)); then
    on_server=(taskset -c 0)
    [[ $spread ]] || on_client=(taskset -c 1)
fi

work=$(mktemp -d "$folder/decom-throughput.XXXXXX")
server=''
tidy() {
    if [[ $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
filesystem=$(stat -f -c %T "$work")
[[ $filesystem != tmpfs ]] || die "$folder is in memory, where a commit costs nothing; choose a disk with --folder"

mkdir "$work/server"
sed "s/@PORT@/$port/" "$here/nginx.conf" >"$work/server/nginx.conf"
"${on_server[@]}" nginx -p "$work/server" -c nginx.conf -e stderr 2>"$work/server/errors" &
server=$!
host=http://127.0.0.1:$port
endpoint="$host/api/v2/datasource?datasourceName="
for _ in {1..50}; do
    curl --silent --fail --output /dev/null "$host/requests" && break
    kill -0 "$server" 2>/dev/null || die "nginx did not start: $(cat "$work/server/errors")"
    sleep 0.1
done

# All names are of one length, so that every client sends requests of one length.
last=$((names - 1))
digits=${#last}
name_of() { printf "tenant-%0${digits}d-postgres" "$1"; }
{
    echo datasource_name
    seq -f "tenant-%0${digits}.0f-postgres" 0 "$last"
} >"$work/names.csv"

export DATABRAIN_TOKEN=dbn_live_benchmark
authorization="Authorization: Bearer $DATABRAIN_TOKEN"

# --- The clients: each sends $1 requests ---------------------------------------------------------

client_decom() {
    "${timed[@]}" "$decom" run "$work/names.csv" --base-url "$host" --audit-db "$work/audit.db" \
        --rate unlimited --concurrency "$concurrency" --max-share 100 --no-listing-check \
        --max-deletes 1000000 --yes >"$work/out" 2>"$work/err"
}
client_oha() {
    "${timed[@]}" oha --no-tui --output-format quiet -n "$1" -c "$concurrency" -m DELETE \
        -H "$authorization" "$endpoint$(name_of 0)" >"$work/out" 2>"$work/err"
}
client_curl() {
    "${timed[@]}" curl --silent --show-error --parallel --parallel-max "$concurrency" --request DELETE \
        --header "$authorization" --output /dev/null \
        "${endpoint}tenant-[$(printf "%0${digits}d" 0)-$(($1 - 1))]-postgres" >"$work/out" 2>"$work/err"
}
client_xargs() {
    head -n $(($1 + 1)) "$work/names.csv" | tail -n +2 >"$work/few"
    "${timed[@]}" xargs -a "$work/few" -P "$concurrency" -I NAME curl --silent --show-error \
        --request DELETE --header "$authorization" --output /dev/null "${endpoint}NAME" \
        >"$work/out" 2>"$work/err"
}

# What every run of decom must have left behind, or its speed means nothing.
check_audit() {
    local found
    found=$(sqlite3 -readonly "$work/audit.db" "select
        (select count(*) from attempts) || ' attempts, '
        || (select count(distinct datasource) from attempts) || ' names, '
        || (select count(*) from attempts where http_status = 200 and finished_at is not null) || ' answers, '
        || (select count(*) from results where outcome = 'deleted') || ' deleted'")
    say "    audit log: $found"
    [[ $found == "$names attempts, $names names, $names answers, $names deleted" ]] \
        || die "the audit log does not hold every request: $found"
}

requests_seen() { curl --silent "$host/requests" | awk 'NR == 3 { print $3 }'; }

# One round of one client; appends "requests a second, seconds, MiB, processor seconds".
measure() {
    local client=$1 count=$2 before after
    rm -f "$work"/audit.db* "$work/usage"
    sync
    timed=("${on_client[@]}" "$(type -P time)" -f '%e %M %U %S' -o "$work/usage")
    before=$(requests_seen)
    "client_$client" "$count" || die "$client failed: $(tail -n 3 "$work/err" "$work/out")"
    after=$(requests_seen)
    # The two looks at the counter count, too: one of them before `after` was told.
    (($((after - before)) == count + 1)) \
        || die "$client: the server saw $((after - before - 1)) requests, not $count"
    awk -v n="$count" '{ printf "%.0f %.2f %.1f %.2f\n", n / $1, $1, $2 / 1024, $3 + $4 }' "$work/usage" \
        >>"$work/$client.rounds"
    say "  $client: $(tail -n 1 "$work/$client.rounds" | awk '{ print $1 "/s, " $2 " s, " $3 " MiB, " $4 " s of processor" }')"
    [[ $client != decom ]] || check_audit
}

median() { # of column $2 of the rounds of client $1
    awk -v c="$2" '{ print $c }' "$work/$1.rounds" | sort -g | awk '{ v[NR] = $1 } END {
        print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

declare -A title=(
    [decom]="decom, every request in the audit log before it leaves"
    [oha]="oha, one URL, records nothing"
    [curl]="curl --parallel --parallel-max $concurrency, records nothing"
    [xargs]="xargs -P $concurrency curl, records nothing"
)

# --- The rounds ----------------------------------------------------------------------------------

commit_us=$(dd if=/dev/zero of="$work/probe" bs=4k count=500 oflag=dsync 2>&1 \
    | awk '/copied/ { for (i = 1; i <= NF; i++) if ($i == "s,") printf "%.0f", $(i - 1) / 500 * 1e6 }')

awk '$1 > 0.5 { print "this machine is busy (load " $1 "): numbers will be lower than it can do" }' /proc/loadavg >&2

for round in $(seq "$rounds"); do
    say "round $round of $rounds"
    for client in decom oha curl xargs; do
        wanted "$client" || continue
        if [[ $client == xargs ]]; then measure xargs "$xargs_names"; else measure "$client" "$names"; fi
    done
done

spread_of() {
    awk '{ print $1 }' "$work/$1.rounds" | sort -g | awk 'NR == 1 { low = $1 } END { print low "–" $1 }'
}
echo "Medians of $rounds rounds, whole process from start to exit. $cores cores;" \
    "the server on one of them, the clients $([[ $spread ]] && echo "wherever they like" || echo "on another")." \
    "$concurrency requests under way at once. A 4 KiB write with its sync takes $commit_us µs on this disk ($filesystem)."
echo
echo "| client | names | requests/s | lowest–highest | seconds | processor seconds | peak memory, MiB | decom ÷ it |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|"
for client in decom oha curl xargs; do
    wanted "$client" || continue
    count=$names
    [[ $client == xargs ]] && count=$xargs_names
    ratio=–
    if [[ $client != decom ]] && wanted decom; then
        ratio=$(awk -v a="$(median decom 1)" -v b="$(median "$client" 1)" 'BEGIN { printf "%.2f", a / b }')
    fi
    echo "| ${title[$client]} | $count | $(median "$client" 1) | $(spread_of "$client")" \
        "| $(median "$client" 2) | $(median "$client" 4) | $(median "$client" 3) | $ratio |"
done
echo
wanted decom && echo "Checked after every run of decom: $names attempts of $names names in the audit log," \
    "each with its answer, and as many requests counted by the server."
wanted xargs && echo "\`xargs\` starts a process a name: it deletes $xargs_names names, not $names, and its" \
    "rate is what counts; its memory is that of its largest process."
exit 0
