using System.Text.Json.Nodes;

namespace Peft.Cli.Tests;

/// <summary>A run of the tool in this process.</summary>
/// <param name="Code">The exit code.</param>
/// <param name="Output">The standard output.</param>
/// <param name="Error">The standard error.</param>
internal sealed record Tool(int Code, string Output, string Error)
{
    public static readonly string Model = Path.Combine(AppContext.BaseDirectory, "models", "stories260K");

    public static readonly string Text = Path.Combine(AppContext.BaseDirectory, "train.txt");

    public static string Data(string name) => Path.Combine(AppContext.BaseDirectory, "Data", name);

    /// <summary>Runs a command line.</summary>
    public static Task<Tool> RunAsync(params string[] args) => InteractAsync("", null, args);

    /// <summary>Runs a command line with an input, interrupted when a line of the standard error contains a text.</summary>
    public static async Task<Tool> InteractAsync(string input, Interruption? interruption, params string[] args)
    {
        using var output = new StringWriter();
        using var error = interruption ?? new Interruption("\0");
        var code = await new PeftTool(new StringReader(input), output, error).RunAsync(args, cancellationToken: error.Token);
        return new(code, output.ToString().ReplaceLineEndings("\n"), error.ToString().ReplaceLineEndings("\n"));
    }

    /// <summary>Runs a command line that must succeed with a JSON result.</summary>
    public static async Task<JsonNode> JsonAsync(params string[] args)
    {
        var run = await RunAsync([.. args, "--json"]);
        run.Code.ShouldBe(0, run.Error);
        return JsonNode.Parse(run.Output)!;
    }

    /// <summary>A small training run with a LoRA of the query and value projections.</summary>
    public static string[] Train(string output, params string[] more)
        => ["train", "-m", Model, "-d", Text, "--rank", "4", "--targets", "q_proj,v_proj", "--max-steps", "6", "--batch-size", "2", "--block-size", "64", "--lr", "1e-2", "-o", output, .. more];
}
