# The same commands as build.sh, for Windows: ./build.ps1 quickstart | test | bench | pack
param([Parameter(Position = 0)] [string] $Command = "help", [Parameter(ValueFromRemainingArguments)] [string[]] $Rest)
$ErrorActionPreference = "Stop"
Set-Location $PSScriptRoot
$env:DOTNET_CLI_TELEMETRY_OPTOUT = "1"; $env:DOTNET_NOLOGO = "1"
$configuration = if ($env:CONFIGURATION) { $env:CONFIGURATION } else { "Release" }

if (-not (Get-Command dotnet -ErrorAction SilentlyContinue)) { throw "The .NET SDK 10 is missing: install it from https://dot.net and run this again." }

switch ($Command) {
    "quickstart" { dotnet run -c $configuration --project examples/Quickstart -- @Rest; exit $LASTEXITCODE }
    "bench" { dotnet run -c $configuration --project benchmarks/Peft.Benchmarks -- @Rest; exit $LASTEXITCODE }
    "pack" {
        $version = if ($env:VERSION) { $env:VERSION } else { "0.1.0-dev" }
        foreach ($project in @(Get-ChildItem src -Directory) + (Get-Item templates)) {
            dotnet pack $project.FullName -c $configuration --nologo -v quiet -o artifacts/packages "-p:MinVerVersionOverride=$version"
            if ($LASTEXITCODE) { exit $LASTEXITCODE }
        }
        dotnet pack src/Peft.Cli -c $configuration --nologo -v quiet -o artifacts/packages "-p:MinVerVersionOverride=$version" -p:PackTool=true "-p:ToolRuntimes=$env:TOOL_RUNTIMES"
        if ($LASTEXITCODE) { exit $LASTEXITCODE }
    }
    "test" {
        $interactive = "1.0.712001"   # the kernel that runs the notebooks
        if (-not (Test-Path "artifacts/tools/.store/microsoft.dotnet-interactive/$interactive")) { dotnet tool install Microsoft.dotnet-interactive --version $interactive --tool-path artifacts/tools }
        dotnet build Peft.sln -c $configuration --nologo -v quiet
        if ($LASTEXITCODE) { throw "The build failed: no test was run." }
        $passed = 0; $failed = 0
        Remove-Item -Recurse -Force artifacts/tests -ErrorAction SilentlyContinue
        foreach ($project in Get-ChildItem tests -Directory -Filter *.Tests) {
            dotnet test $project.FullName -c $configuration --no-build --nologo --logger "trx;LogFileName=$($project.Name).trx" --results-directory artifacts/tests
            $status = $LASTEXITCODE
            $report = "artifacts/tests/$($project.Name).trx"
            $found = if (Test-Path $report) { ([xml](Get-Content $report)).TestRun.ResultSummary.Counters } else { $null }
            $passed += [int]$found.passed; $failed += [int]$found.failed
            # A runner that crashed has reported less than the truth.
            if ($status -and -not [int]$found.failed) { Write-Error "$($project.Name) ended with status $status." -ErrorAction Continue; $failed++ }
        }
        Write-Output "$passed passed, $failed failed"
        if ($failed -or -not $passed) { exit 1 }
    }
    default { Get-Content $PSCommandPath -TotalCount 1 | ForEach-Object { $_.Substring(2) } }
}
