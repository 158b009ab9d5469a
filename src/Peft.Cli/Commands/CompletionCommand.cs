namespace Peft.Cli;

/// <summary><c>peft completion</c></summary>
internal static class CompletionCommand
{
    // The directive [suggest:POSITION] prints what may follow a command line, one a line.
    private const string Bash = """
        # peft completion bash >> ~/.bashrc
        _peft() {
            local line=${COMP_LINE#* } position=$((COMP_POINT - ${#COMP_WORDS[0]} - 1)) IFS=$'\n'
            COMPREPLY=($(compgen -W "$(peft "[suggest:$position]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _peft peft
        """;

    private const string Zsh = """
        # peft completion zsh >> ~/.zshrc
        _peft() {
            local line="${BUFFER#* }" position=$((CURSOR - ${#words[1]} - 1))
            local -a values=("${(@f)$(peft "[suggest:$position]" "$line" 2>/dev/null)}")
            compadd -- $values || _files
        }
        compdef _peft peft
        """;

    private const string Fish = """
        # peft completion fish > ~/.config/fish/completions/peft.fish
        function __peft_complete
            set -l line (string replace -r '^\S+\s?' '' -- (commandline -cp))
            peft "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c peft -a '(__peft_complete)'
        """;

    private const string Pwsh = """
        # peft completion pwsh >> $PROFILE
        Register-ArgumentCompleter -Native -CommandName peft -ScriptBlock {
            param($word, $ast, $position)
            $line = $ast.ToString() -replace '^\S+\s?', ''
            $start = $ast.ToString().Length - $line.Length
            peft "[suggest:$($position - $start)]" "$line" 2>$null | Where-Object { $_ -like "$word*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
        }
        """;

    public static Command Create(PeftTool tool)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh, fish or pwsh." };
        string[] shells = ["bash", "zsh", "fish", "pwsh"];
        shell.CompletionSources.Add(shells);
        shell.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !shells.Contains(token.Value)) result.AddError($"The shell must be {string.Join(", ", shells[..^1])} or {shells[^1]}, but was '{token.Value}'.");
        });
        return tool.Command("completion", "Prints the script that completes commands, options and their values in a shell.", [shell], context =>
        {
            var script = context.Get(shell) switch { "bash" => Bash, "zsh" => Zsh, "fish" => Fish, _ => Pwsh };
            context.Result(new { Shell = context.Get(shell), Script = script }, console => context.Output.WriteLine(script));
        });
    }
}
