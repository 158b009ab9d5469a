using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace Peft.Cli;

/// <summary>One run of a command: what was given, and where results, notes and errors go.</summary>
internal sealed class ToolContext(ParseResult parse, TextReader input, TextWriter output, TextWriter error, CancellationToken cancel)
{
    private const int WidthOfFiles = 140;

    private static readonly JsonSerializerOptions JsonForm = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>The command line.</summary>
    public ParseResult Parse { get; } = parse;

    /// <summary>Input of the user.</summary>
    public TextReader Input { get; } = input;

    /// <summary>Where results go.</summary>
    public TextWriter Output { get; } = output;

    /// <summary>Cancelled by Ctrl-C.</summary>
    public CancellationToken Cancel { get; } = cancel;

    /// <summary>The exit code if the command ends without an exception.</summary>
    public int Code { get; set; } = ExitCode.Success;

    /// <summary>True if the result is JSON.</summary>
    public bool Json => Parse.GetValue(GlobalOptions.Json);

    /// <summary>True for details of errors, and log messages.</summary>
    public bool Verbose => Parse.GetValue(GlobalOptions.Verbose);

    /// <summary>The console of notes and progress.</summary>
    public IAnsiConsole Status { get; } = Console(error);

    public T? Get<T>(Option<T> option) => Parse.GetValue(option);

    public T? Get<T>(Argument<T> argument) => Parse.GetValue(argument);

    /// <summary>True if an option is given on the command line or in the configuration file.</summary>
    public bool Has(Option option) => Parse.GetResult(option) is { Implicit: false };

    /// <summary>Writes the result: as JSON, or as it is shown to people.</summary>
    public void Result(object value, Action<IAnsiConsole> show)
    {
        if (Json) Output.WriteLine(JsonSerializer.Serialize(value, JsonForm));
        else show(Console(Output));
    }

    /// <summary>Runs an action whose interruption leaves something that can be said.</summary>
    /// <exception cref="InterruptedException">It was interrupted.</exception>
    public async Task InterruptibleAsync(string remains, Func<Task> run)
    {
        try
        {
            await run().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (Cancel.IsCancellationRequested)
        {
            throw new InterruptedException($"Interrupted. {remains}");
        }
    }

    /// <summary>Writes a line to people, not to programs.</summary>
    public void Note(string text) => error.WriteLine(text);

    /// <summary>Writes an error.</summary>
    public void Fail(Exception failure)
    {
        error.WriteLine("peft: " + (Verbose ? failure.ToString() : Message(failure)));
        if (!Verbose && failure is not (PeftException or ArgumentException)) error.WriteLine("This is unexpected: --verbose shows where it happened.");
    }

    /// <summary>A message of the library, in terms of the command line.</summary>
    public string Translate(string message) => CommandLineTerms.Translate(message, Parse.CommandResult.Command.Options);

    // .NET speaks of the parameter and adds its value in a line of its own; the command line has an option of that name.
    private string Message(Exception failure)
    {
        if (failure is ToolException) return failure.Message;
        if (failure is not ArgumentException { ParamName: { Length: > 0 } name }) return Translate(failure.Message);
        var option = "--" + JsonNamingPolicy.KebabCaseLower.ConvertName(name);
        var text = failure.Message.Split('\n')[0].TrimEnd().Replace($" (Parameter '{name}')", "", StringComparison.Ordinal);
        return Parse.CommandResult.Command.Options.Any(each => each.Name == option) ? text.Replace(name, option, StringComparison.Ordinal) : text;
    }

    private static IAnsiConsole Console(TextWriter writer)
    {
        var console = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(writer) });
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = WidthOfFiles;
        return console;
    }
}
