using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;

namespace Peft.Cli;

/// <summary>The tool: its commands, run on given streams.</summary>
/// <param name="input">What <c>chat</c> and <c>generate</c> read.</param>
/// <param name="output">Receives results.</param>
/// <param name="error">Receives everything else: progress, warnings, errors.</param>
internal sealed class PeftTool(TextReader input, TextWriter output, TextWriter error)
{
    private const int WidthOfHelp = 120;

    private string[] given = [];

#pragma warning disable RS0030 // asks whether the output is the console
    private bool IsTerminal => ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
#pragma warning restore RS0030

    /// <summary>The command line that goes on from where this one was interrupted.</summary>
    public string ResumingCommand => "peft " + string.Join(' ', given.Select(Show.Quoted)) + (given.Contains("--resume") ? "" : " --resume");

    /// <summary>Runs a command.</summary>
    /// <param name="args">The command line, without the program's name.</param>
    /// <param name="handleSignals">True to let Ctrl-C cancel the command; a second one ends the process at once.</param>
    /// <param name="cancellationToken">Interrupts the command as Ctrl-C does.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync(string[] args, bool handleSignals = false, CancellationToken cancellationToken = default)
    {
        using var interrupt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var signal = handleSignals ? PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = !interrupt.IsCancellationRequested;
            interrupt.Cancel();
        }) : null;
        given = args;
        var root = Root();
        try
        {
            args = ConfigurationFile.Expand(root, args);
        }
        catch (ToolException refused)
        {
            await error.WriteLineAsync("peft: " + refused.Message).ConfigureAwait(false);
            return ExitCode.Refused;
        }
        var parsed = root.Parse(args);
        // All the options of a command would push the error out of sight.
        var wrong = args.Length > 0 ? parsed.Action as ParseErrorAction : null;
        if (wrong is not null)
        {
            wrong.ShowHelp = false;
            // Everything resembles an option of one letter.
            wrong.ShowTypoCorrections = parsed.UnmatchedTokens.Any(token => token.Length > 2 && (token.StartsWith("--", StringComparison.Ordinal) || parsed.CommandResult.Command is RootCommand));
        }
        var code = await parsed.InvokeAsync(new() { Output = wrong is null ? output : error, Error = error, ProcessTerminationTimeout = null }, interrupt.Token).ConfigureAwait(false);
        if (wrong is not null) await error.WriteLineAsync($"peft {(parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ")}--help lists what it takes.").ConfigureAwait(false);
        return code;
    }

    /// <summary>The commands.</summary>
    public RootCommand Root()
    {
        var root = new RootCommand("Fine-tunes language models by adapters: trains, evaluates, inspects, merges and serves them.\n\nExit codes: 0 done, 1 refused (the message says why), 2 failed, 130 interrupted.")
        {
            GlobalOptions.Json, GlobalOptions.Verbose, GlobalOptions.Config,
        };
        root.HelpName = "peft";
        if (root.Options.OfType<HelpOption>().Single().Action is HelpAction help && !IsTerminal) help.MaxWidth = WidthOfHelp;
        foreach (var command in Commands()) root.Add(command);
        return root;
    }

    private IEnumerable<Command> Commands() =>
    [
        TrainingCommand.Create(this, new TrainTask()),
        TrainingCommand.Create(this, new SftTask()),
        TrainingCommand.Create(this, new DpoTask()),
        TrainingCommand.Create(this, new KtoTask()),
        TrainingCommand.Create(this, new GrpoTask()),
        TrainingCommand.Create(this, new RlooTask()),
        TrainingCommand.Create(this, new RewardTask()),
        EvalCommand.Create(this),
        PredictCommand.Create(this),
        GenerateCommand.Create(this),
        ChatCommand.Create(this),
        MergeCommand.Create(this),
        ExportCommand.Create(this),
        QuantizeCommand.Create(this),
        InfoCommand.Create(this),
        DiffCommand.Create(this),
        CombineCommand.Create(this),
        ConvertCommand.Create(this),
        PushCommand.Create(this),
        PullCommand.Create(this),
        ReportCommand.Create(this),
        MethodsCommand.Create(this),
        ModelsCommand.Create(this),
        DoctorCommand.Create(this),
        CompletionCommand.Create(this),
    ];

    /// <summary>A command whose action runs with the tool's streams and whose errors become messages and exit codes.</summary>
    public Command Command(string name, string description, IEnumerable<Symbol> symbols, Func<ToolContext, Task> run)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
            if (symbol is Argument argument) command.Add(argument);
            else if (symbol is Option option)
            {
                option.ExplainNumbers();
                command.Add(option);
            }
        command.SetAction((parse, cancel) => GuardAsync(new(parse, input, output, error, cancel), run));
        return command;
    }

    /// <inheritdoc cref="Command(string, string, IEnumerable{Symbol}, Func{ToolContext, Task})"/>
    public Command Command(string name, string description, IEnumerable<Symbol> symbols, Action<ToolContext> run)
        => Command(name, description, symbols, context =>
        {
            run(context);
            return Task.CompletedTask;
        });

    private static async Task<int> GuardAsync(ToolContext context, Func<ToolContext, Task> run)
    {
        try
        {
            await run(context).ConfigureAwait(false);
            return context.Code;
        }
        catch (OperationCanceledException stopped) when (context.Cancel.IsCancellationRequested)
        {
            context.Note(stopped is InterruptedException ? stopped.Message : "Interrupted.");
            return ExitCode.Interrupted;
        }
        catch (Exception refused) when (refused is PeftException or ArgumentException)
        {
            context.Fail(refused);
            return ExitCode.Refused;
        }
#pragma warning disable CA1031 // the last handler of the program
        catch (Exception failure)
        {
            context.Fail(failure);
            return ExitCode.Failed;
        }
#pragma warning restore CA1031
    }
}
