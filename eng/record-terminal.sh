#!/usr/bin/env bash
# Records a real run of the tool in a terminal of 100 columns and draws what it shows: eng/record-terminal.sh docs/command-line.svg
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
picture=${1:-docs/command-line.svg}
shown="peft train --model models/stories260K --data train.txt --rank 8 --targets q_proj,v_proj"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dotnet build src/Peft.Cli -c Release --nologo -v quiet
run="dotnet src/Peft.Cli/bin/Release/net10.0/Peft.Cli.dll ${shown#peft } --eval-data data/tinyshakespeare/test.txt --max-steps 150 --learning-rate 5e-3 --eval-every 50 --output out/first"
run=${run/--data train.txt/--data data/tinyshakespeare/train.txt}
ln -s "$PWD/models" "$PWD/data" "$folder"
tool=$PWD
(cd "$folder" && TERM=xterm-256color script -qec "stty cols 100 rows 40; ${run/dotnet src/dotnet $tool/src}" session > /dev/null)
dotnet run eng/terminal-svg.cs -- "$folder/session" "$shown" "$picture"
