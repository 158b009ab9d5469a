#!/usr/bin/env bash
# Lines of each method's folder (options, layers, extension, what is its own), docs included, the smallest first, and their median.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

grep -rl --include='*.cs' '^\[MethodDescription(' src/Peft.Lora src/Peft.Adapters src/Peft.Prefix | xargs -n 1 dirname | sort -u | while read -r folder; do
    echo "$(cat "$folder"/*.cs | wc -l) $folder"
done | sort -n | awk '{ print; lines[NR] = $1 } END { print "median of " NR " methods: " (NR % 2 ? lines[(NR + 1) / 2] : (lines[NR / 2] + lines[NR / 2 + 1]) / 2) }'
