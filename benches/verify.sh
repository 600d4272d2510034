#!/usr/bin/env bash
# Measures how many records a second `decom audit verify` checks, and prints Markdown. The log is made
# by a rehearsal, three records a name. See docs/performance.md for the method.
set -euo pipefail

usage() {
    cat <<'USAGE'
Usage: benches/verify.sh [OPTIONS]

  --rounds N       rounds; medians are printed (default 5)
  --names N        names in the log, three records each (default 700000)
  --folder FOLDER  where the log is made (default: $TMPDIR or /tmp)
  --decom FILE     an already built decom (default: built here, release profile)
USAGE
}

rounds=5 names=700000 folder=${TMPDIR:-/tmp} decom=''
while (($#)); do
    case $1 in
        --rounds) rounds=$2; shift 2 ;;
        --names) names=$2; shift 2 ;;
        --folder) folder=$2; shift 2 ;;
        --decom) decom=$2; shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
die() { echo "verify.sh: $*" >&2; exit 1; }
time=$(type -P time) || die "missing; as root: apt-get install time"
if [[ -z $decom ]]; then
    here=$(cd "$(dirname "$0")" && pwd)
    (cd "$here/.." && cargo build --quiet --release --locked)
    decom=${CARGO_TARGET_DIR:-$here/../target}/release/decom
fi
decom=$(realpath "$decom")

work=$(mktemp -d "$folder/decom-verify.XXXXXX")
trap 'rm -rf "$work"' EXIT
{ echo datasource_name; seq -f 'tenant-%08.0f-postgres' "$names"; } >"$work/names.csv"
"$decom" rehearse "$work/names.csv" --audit-db "$work/audit.db" --rate unlimited --concurrency 64 \
    --fault none --latency 0ms --quiet >"$work/out" 2>"$work/err" || die "$(tail -n 3 "$work/err")"

for ((round = 1; round <= rounds; round++)); do
    code=0
    "$time" -f '%e %M %U %S' -o "$work/usage" "$decom" audit verify --audit-db "$work/audit.db" --json \
        >"$work/found" || code=$?
    # Sound, and nothing outside vouches for it: this log has no checkpoints.
    ((code == 1)) || die "verify ended with $code: $(head -c 500 "$work/found")"
    tail -n 1 "$work/usage" >>"$work/rounds"
done
records=$(grep -o '"records": *[0-9]*' "$work/found" | head -n 1 | tr -dc 0-9)
((records >= names * 3)) || die "only $records records were checked"
median() { awk -v c="$1" '{ print $c }' "$work/rounds" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
echo "Median of $rounds rounds, whole process. $(nproc) cores."
echo
echo "| records | seconds | records/s | processor seconds | peak memory, MiB |"
echo "|---:|---:|---:|---:|---:|"
awk -v n="$records" -v s="$(median 1)" -v m="$(median 2)" -v u="$(median 3)" -v k="$(median 4)" \
    'BEGIN { printf "| %d | %.2f | %.0f | %.2f | %.1f |\n", n, s, n / s, u + k, m / 1024 }'
