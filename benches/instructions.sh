#!/bin/sh
# Instructions per message, counted by callgrind: the same on every run of the same build, however busy the machine is.
# Needs valgrind. Arguments go to cargo, `--config profile.release.lto=false` for a quick build.
set -eu
cd "$(dirname "$0")/.."
program=${PROGRAM:-$(cargo bench --bench instructions --no-run --message-format=json "$@" |
    sed -n 's/.*"executable":"\([^"]*instructions-[^"]*\)".*/\1/p' | tail -n 1)}
printf '%-10s %-6s %-10s %14s %8s\n' task corpus method instructions ratio
"$program" | while read -r task corpus method; do
    case $corpus in
        Large) runs=2 ;;
        *) runs=20 ;;
    esac
    counted=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*measured_runs*' \
        "$program" "$task" "$corpus" "$method" "$runs" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
    each=$((counted / runs))
    [ "$method" = Weft ] && own=$each
    # Hundredths, in whole numbers, as the shell has no others.
    ratio=$((each * 100 / own))
    printf '%-10s %-6s %-10s %14d %5d.%02d\n' "$task" "$corpus" "$method" "$each" $((ratio / 100)) $((ratio % 100))
done
