using System.Text.RegularExpressions;
using Peft.Models;
using Peft.Models.Tests.Chat;

namespace Peft.Hosting.Tests;

/// <summary>A server whose model calls the function <c>weather</c> in one of the formats of the field, and reports its result.</summary>
public sealed partial class CallingServer : IAsyncDisposable
{
    /// <summary>What the function answers.</summary>
    public const string Result = "21 degrees";

    /// <summary>What the model says of it.</summary>
    public const string Report = "It has 21 degrees in Rome.";

    private const string Arguments = """{"city": "Rome", "days": 2}""";

    // A plugin's name precedes that of the function.
    [GeneratedRegex("\"name\": \"([^\"]*weather)\"")]
    private static partial Regex Name();

    private readonly List<IReadOnlyList<int>> prompts = [];

    private CallingServer() { }

    public RunningServer Server { get; private set; } = null!;

    /// <summary>The tokenizer with the template of the format.</summary>
    public Tokenizer Tokenizer { get; } = Tokenizer.FromPretrained(Story.Model);

    /// <summary>The tokens of the last prompt.</summary>
    public IReadOnlyList<int> LastPrompt => prompts[^1];

    public static async Task<CallingServer> StartAsync(Story story, string format)
    {
        // Without today's date.
        var template = (await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "templates", $"{format}-tools.jinja"))).Replace("strftime_now is defined", "false", StringComparison.Ordinal);
        var file = story.Folder.Write($"{format}.jinja", template);
        var calling = new CallingServer();
        calling.Tokenizer.ChatTemplate = ChatTemplate.Parse(template);
        var script = new ScriptedAnswers(calling.Tokenizer, 2, prompt => prompt.Contains(Result) ? Report : Call(format, Name().Match(prompt) is { Success: true } match ? match.Groups[1].Value : "weather"));
        calling.Server = await RunningServer.StartAsync(story, options => options.Generation = new() { DoSample = false, MaxNewTokens = 300, EndTokenIds = [2], LogitsProcessors = [new Prompts(calling.prompts), script] }, $"--Peft:ChatTemplateFile={file}");
        return calling;
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    private static string Call(string format, string name) => format switch
    {
        "qwen" => $"Let me see.\n<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {Arguments}}}\n</tool_call>",
        "llama3" => $"{{\"name\": \"{name}\", \"parameters\": {Arguments}}}",
        _ => $"[TOOL_CALLS] [{{\"name\": \"{name}\", \"arguments\": {Arguments}, \"id\": \"call00001\"}}]",
    };

    // Keeps the prompts.
    private sealed class Prompts(List<IReadOnlyList<int>> seen) : ILogitsProcessor
    {
        public torch.Tensor Process(LogitsContext context, torch.Tensor scores)
        {
            if (context.Added == 0) seen.Add(context.Prompts[0]);
            return scores.alias();
        }
    }
}
