#!/usr/bin/env bash
# Pictures of a page in Chromium, to be looked at after a change of its design: eng/screenshot.sh out/report.html pictures/report
# makes pictures/report-light.png, -dark.png and -phone.png (390 pixels wide).
set -euo pipefail
page=$(realpath "$1") prefix=$2
mkdir -p "$(dirname "$prefix")"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
shoot() {
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$profile" --hide-scrollbars --window-size="$2" "${@:3}" --screenshot="$prefix-$1.png" "file://$page" 2>/dev/null
}
shoot light 1000,1330
shoot dark 1000,1330 --force-dark-mode
shoot phone 390,2600
