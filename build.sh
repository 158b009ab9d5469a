#!/usr/bin/env bash
# One entry for everything: ./build.sh setup | quickstart | intents | format | test | notebooks | coverage | bench | pack | site
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
export CONFIGURATION="${CONFIGURATION:-Release}"

die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# TorchSharp's native library is built with GCC 13 and needs this symbol version of libstdc++.
needed_symbol=GLIBCXX_3.4.32

libstdcpp_is_new_enough() {
    local file
    for file in $(ldconfig -p 2>/dev/null | awk '/libstdc\+\+\.so\.6 .*=>/ {print $NF}') /usr/lib/*/libstdc++.so.6 /usr/lib64/libstdc++.so.6; do
        if [ -e "$file" ] && grep -qa "$needed_symbol" "$file"; then return 0; fi
    done
    return 1
}

install_libstdcpp_on_debian_12() {
    # Debian 13's libstdc++6 needs Debian 13's libc6, and apt takes what else goes with that. The suite gets a low priority, so that later installations take nothing from it.
    local uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
    [ -n "$uri" ] || uri=$(awk '$1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null || true)
    [ -n "$uri" ] || uri=http://deb.debian.org/debian
    printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "$uri" > /etc/apt/sources.list.d/peft-trixie.list
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' > /etc/apt/preferences.d/peft-trixie
    apt-get update -qq
    echo "These packages are installed from Debian 13, or replaced by its versions:"
    changed_packages | sed 's/^/  /'
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -t trixie \
        -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef libstdc++6 >/dev/null
}

# What apt would do, a package a line: "libc6 2.36-9 -> 2.41-12", "libxcrypt1 (new) 4.4" or "name 1.0 (removed)".
changed_packages() {
    DEBIAN_FRONTEND=noninteractive apt-get install -s -qq -t trixie libstdc++6 | sed -nE \
        -e 's/^Inst ([^ ]+) \[([^]]+)\] \(([^ ]+) .*/\1 \2 -> \3/p' \
        -e 's/^Inst ([^ ]+) \(([^ ]+) .*/\1 (new) \2/p' \
        -e 's/^Remv ([^ ]+) \[([^]]+)\].*/\1 \2 (removed)/p'
}

setup() {
    command -v dotnet >/dev/null || die "the .NET SDK 10 is missing: install it from https://dot.net and run this again."
    if [ "$(uname -s)" = Linux ] && ! libstdcpp_is_new_enough; then
        local name=unknown
        # shellcheck disable=SC1091
        [ -r /etc/os-release ] && name=$(. /etc/os-release; printf '%s %s' "${ID:-?}" "${VERSION_ID:-?}")
        if [ "$name" = "debian 12" ] && [ "$(id -u)" = 0 ]; then
            echo "Installing a libstdc++ with $needed_symbol (from Debian 13) …"
            install_libstdcpp_on_debian_12
            libstdcpp_is_new_enough || die "libstdc++6 was installed, but $needed_symbol is still missing."
        else
            die "this system ($name) has a libstdc++ older than GCC 13's, which TorchSharp needs ($needed_symbol).
  Debian 12:     run './build.sh setup' as root (it takes libstdc++6 from Debian 13 with the packages that this one needs, libc6 among them, and names all first), or upgrade to Debian 13.
  Ubuntu 22.04:  sudo add-apt-repository ppa:ubuntu-toolchain-r/test && sudo apt-get install libstdc++6
  elsewhere:     install libstdc++ of GCC 13 or newer (Ubuntu 24.04, Fedora 38 and later have it)."
        fi
    fi
}

# The kernel that runs the notebooks in the tests.
install_interactive() {
    local version=1.0.712001
    [ -d "artifacts/tools/.store/microsoft.dotnet-interactive/$version" ] || dotnet tool install Microsoft.dotnet-interactive --version "$version" --tool-path artifacts/tools
}

# The browser that measures the reports in the tests. Without one, those tests measure nothing.
install_chromium() {
    if command -v chromium chromium-browser google-chrome >/dev/null || [ ! -e /etc/debian_version ] || [ "$(id -u)" != 0 ]; then return; fi
    echo "Installing chromium …"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null || echo "Chromium cannot be installed: the reports are not measured in a browser." >&2
}

build() {
    dotnet build Peft.sln -c "$CONFIGURATION" --nologo -v quiet
}

# Runs every test project, also after one has failed; the last line is the sum.
run_tests() {
    local project passed=0 failed=0
    rm -rf artifacts/tests
    for project in tests/*.Tests; do run_project "$(basename "$project")" ""; done
    # The kernels once more, as processors run them that lack some instructions.
    rerun_kernels DOTNET_EnableAVX512 Peft.Core.Tests Peft.Quantization.Tests
    rerun_kernels DOTNET_EnableAVX2 Peft.Core.Tests Peft.Quantization.Tests
    rerun_kernels DOTNET_EnableHWIntrinsic Peft.Core.Tests   # those of quantized weights would take more than a minute
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

# Runs the tests of kernels in the named projects without some instructions of the processor.
rerun_kernels() {
    local project
    for project in "${@:2}"; do
        export "$1=0"
        run_project "$project" ".$1" --filter "FullyQualifiedName~.Kernels."
        unset "$1"
    done
}

# Runs a test project, whose results get a suffix, and counts them.
run_project() {
    local results=artifacts/tests name=$1$2 status=0 found_passed found_failed
    dotnet test "tests/$1" -c "$CONFIGURATION" --no-build --nologo --logger "trx;LogFileName=$name.trx" --results-directory "$results" "${@:3}" || status=$?
    found_passed=$(counter "$results/$name.trx" passed) found_failed=$(counter "$results/$name.trx" failed)
    # A runner that crashed has reported less than the truth.
    [ "$status" = 0 ] || [ "$found_failed" -gt 0 ] || { echo "$name ended with status $status." >&2; found_failed=1; }
    passed=$((passed + found_passed)) failed=$((failed + found_failed))
}

# Runs the tests of the named projects, or of all, and tells which lines of the libraries they ran: Cobertura files in artifacts/coverage, and a table.
run_coverage() {
    local results=artifacts/coverage name output status=0
    [ $# -gt 0 ] || set -- $(ls -d tests/*.Tests)
    rm -rf "$results"
    for name in "$@"; do
        name=$(basename "$name")
        # The collector rewrites the libraries beside the tests, where the build has put links to their only copies.
        for output in "tests/$name/bin/$CONFIGURATION"/*/Peft.*; do
            if [ -L "$output" ]; then cp -p --remove-destination "$(readlink -f "$output")" "$output"; fi
        done
        dotnet test "tests/$name" -c "$CONFIGURATION" --no-build --nologo --settings eng/coverage.runsettings --results-directory "$results/$name" || status=$?
        if ls "$results/$name"/*/coverage.cobertura.xml >/dev/null 2>&1; then mv "$results/$name"/*/coverage.cobertura.xml "$results/$name.cobertura.xml"; fi
        rm -rf "${results:?}/$name"
    done
    eng/coverage.sh
    return "$status"
}

# One of the numbers of <Counters …> in a TRX file; 0 if there is none.
counter() {
    local number=
    if [ -e "$1" ]; then number=$(sed -n "s/.*<Counters .*\b$2=\"\([0-9]*\)\".*/\1/p" "$1"); fi
    echo "${number:-0}"
}

pack() {
    local project
    for project in src/*/ templates/; do
        dotnet pack "$project" -c "$CONFIGURATION" --nologo -v quiet -o artifacts/packages -p:MinVerVersionOverride="${VERSION:-0.1.0-dev}"
    done
    # The tool: a package that points to one per runtime. TOOL_RUNTIMES=all packs those of all systems, of 130 MB each.
    dotnet pack src/Peft.Cli -c "$CONFIGURATION" --nologo -v quiet -o artifacts/packages -p:MinVerVersionOverride="${VERSION:-0.1.0-dev}" -p:PackTool=true -p:ToolRuntimes="${TOOL_RUNTIMES:-}"
    ls artifacts/packages
}

# The guides and the reference of the API as a static site with search, in artifacts/site.
site() {
    local tool=artifacts/tools/docfx
    [ -x "$tool" ] || dotnet tool install docfx --version 2.81.0 --tool-path artifacts/tools >/dev/null
    rm -rf artifacts/site docs/api
    "$tool" docs/docfx.json --warningsAsErrors
    echo "Open artifacts/site in a browser, served: python3 -m http.server --bind 127.0.0.1 --directory artifacts/site"
}

command=${1:-help}
shift || true
case "$command" in
    setup)
        setup
        install_interactive
        install_chromium
        echo "Ready." ;;
    quickstart)
        setup
        dotnet run -c "$CONFIGURATION" --project examples/Quickstart -- "$@" ;;
    intents)
        setup
        dotnet run -c "$CONFIGURATION" --project examples/IntentClassification -- "$@" ;;
    format)
        dotnet format whitespace Peft.sln ;;
    test)
        setup
        install_interactive
        install_chromium
        dotnet restore Peft.sln --verbosity quiet
        dotnet format whitespace Peft.sln --verify-no-changes --no-restore --verbosity quiet || die "the code is not formatted: run ./build.sh format."
        build || die "the build failed: no test was run."
        run_tests ;;
    notebooks)
        # Runs the notebooks, and writes what they show into their files.
        setup
        install_interactive
        dotnet build tests/Peft.Notebooks.Tests -c "$CONFIGURATION" --nologo -v quiet
        PEFT_REFRESH_NOTEBOOKS=1 dotnet test tests/Peft.Notebooks.Tests -c "$CONFIGURATION" --no-build --nologo --filter FullyQualifiedName~RunTests ;;
    coverage)
        setup
        install_interactive
        install_chromium
        build || die "the build failed: no test was run."
        run_coverage "$@" ;;
    bench)
        setup
        dotnet run -c "$CONFIGURATION" --project benchmarks/Peft.Benchmarks -- "$@" ;;
    pack)
        pack ;;
    site)
        build || die "the build failed: there is nothing to document."
        site ;;
    *)
        sed -n '2p' "$0" | cut -c3- ;;
esac
