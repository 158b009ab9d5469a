#!/usr/bin/env bash
# Line coverage of the packages from artifacts/coverage/*.cobertura.xml, which ./build.sh coverage writes; a line that any test project ran is covered.
# With a folder or file, such as src/Peft.Core/Saving: its lines that no test ran, as file:first-last.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

awk -v below="${1:-}" '
    function attribute(name,    parts) { split($0, parts, " " name "=\""); sub(/".*/, "", parts[2]); return parts[2] }
    function relative(file) { sub(/^.*\/src\//, "", file); sub(/^src\//, "", file); return "src/" file }
    /<package /                { package = attribute("name") }
    /<class /                  { file = relative(attribute("filename")); if (file !~ "^src/" package "/") file = "src/" package "/" substr(file, 5) }
    /<line / {
        key = file SUBSEP attribute("number")
        if (!(key in hits)) { hits[key] = 0; lines[package]++; last[file] = last[file] > attribute("number") + 0 ? last[file] : attribute("number") + 0 }
        if (attribute("hits") > 0 && hits[key] == 0) { hits[key] = 1; covered[package]++ }
    }
    END {
        if (below == "") {
            for (package in lines) printf "%-16s %6d of %6d lines  %5.1f %%\n", package, covered[package], lines[package], 100 * covered[package] / lines[package] | "sort"
            exit
        }
        for (file in last) {
            if (index(file, below) != 1) continue
            first = 0
            for (line = 1; line <= last[file] + 1; line++) {
                key = file SUBSEP line
                known = key in hits
                if (known && !hits[key]) { if (!first) first = line; end = line }
                else if (first && (known || line > last[file])) { printf("%s:%d%s\n", file, first, (end > first ? "-" end : "")) | "sort -V"; first = 0 }
            }
        }
    }
' artifacts/coverage/*.cobertura.xml
