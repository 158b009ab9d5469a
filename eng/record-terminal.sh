#!/usr/bin/env bash
# Records a real run of the tool in a terminal of 110 columns and draws what it shows: eng/record-terminal.sh docs/command-line.svg
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
picture=${1:-docs/command-line.svg}
arguments="train -m models/stories260K -d train.txt --eval-data test.txt -r 8 --lr 5e-3 --max-steps 150 --eval-every 50"
root=$PWD folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dotnet build src/Peft.Cli -c Release --nologo -v quiet
ln -s "$root/models" "$root"/data/tinyshakespeare/*.txt "$folder"
(cd "$folder" && TERM=xterm-256color script -qec "stty cols 110 rows 40; dotnet $root/src/Peft.Cli/bin/Release/net10.0/Peft.Cli.dll $arguments" session > /dev/null)
dotnet run eng/terminal-svg.cs -- "$folder/session" "peft $arguments" "$picture"
