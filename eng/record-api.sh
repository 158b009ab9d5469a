#!/usr/bin/env bash
# Writes the public members of each library that PublicAPI.Shipped.txt lacks into its PublicAPI.Unshipped.txt. Run it after a deliberate change.
# Members that were removed since the release are to be added by hand, as *REMOVED*MEMBER.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for project in src/*/; do
    for file in Shipped Unshipped; do [ -e "${project}PublicAPI.$file.txt" ] || echo '#nullable enable' > "${project}PublicAPI.$file.txt"; done
    echo '#nullable enable' > "${project}PublicAPI.Unshipped.txt"
done
dotnet restore Peft.sln -v quiet
# In this order, since each is compiled alone against those before it.
first='src/Peft.Primitives/ src/Peft.Hub/ src/Peft.Tokenizers/ src/Peft.Core/'
for project in $first $(ls -d src/*/ | grep -vxF "${first// /$'\n'}"); do
    # One line per symbol and warning: "… RS0016: Symbol 'X' is not part of the declared public API … [project]".
    log=$(dotnet build "$project" -c Release --nologo --no-incremental --no-restore --no-dependencies -p:TreatWarningsAsErrors=false -p:UseSharedCompilation=false -v quiet)
    api=$(sed -n "s/.* RS0016: Symbol '\(.*\)' is not part of the declared public API.*\[.*$(basename "$project")\.csproj.*/\1/p" <<< "$log" | LC_ALL=C sort -u)
    printf '#nullable enable\n%s\n' "$api" > "${project}PublicAPI.Unshipped.txt"
done
