using System.Globalization;
using System.Text.RegularExpressions;
using Peft.Models;

namespace Peft.Cli;

/// <summary>The reward functions that a command line can name.</summary>
internal static class Rewards
{
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(1);

    /// <exception cref="ToolException">There is none, or one cannot be made.</exception>
    public static IEnumerable<RewardFunction> Of(IReadOnlyList<string> texts, PromptDataset data, Tokenizer tokenizer)
    {
        if (texts.Count == 0) throw new ToolException("Which reward? Name at least one by --reward: regex:PATTERN, length:N, field:NAME, think, overlong:MAX:BUFFER, repetition:N, model:FOLDER or program:COMMAND.");
        return texts.Select(text => text.Split(':', 2) switch
        {
            ["regex", { Length: > 0 } pattern] => Matches(pattern, text),
            ["length", var value] when Number(value) is { } letters => RewardFunction.Of(text, completion => -Math.Abs(completion.Text!.Length - letters) / Math.Max(1.0, letters)),
            ["field", { Length: > 0 } name] when !Enumerable.Range(0, data.Count).Any(row => data.RowOf(row).ContainsKey(name)) => throw new ToolException($"--reward {text}: no row of {data.Name} has this field. The first has {string.Join(", ", data.RowOf(0).Select(each => each.Key))}."),
            ["field", { Length: > 0 } name] => RewardFunction.Of(text, completion => completion.Fields[name]?.ToString() is { } expected ? completion.Text!.Contains(expected, StringComparison.Ordinal) ? 1 : 0 : null),
            ["program", var command] when command.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var program, .. var arguments] => RewardFunction.OfProgram(text, program, arguments),
            ["model", { Length: > 0 } folder] => RewardFunction.OfModel(text, Model(folder), tokenizer: tokenizer),
            ["think"] => RewardFunctions.ThinkFormat(),
            ["overlong", var sizes] when sizes.Split(':') is [var most, var buffer] && Number(most) is { } longest && Number(buffer) is { } before => RewardFunctions.SoftOverlong(longest, before),
            ["repetition", var size] when Number(size) is { } words => RewardFunctions.RepetitionPenalty(words),
            _ => throw new ToolException($"--reward '{text}' is none of regex:PATTERN, length:N, field:NAME, think, overlong:MAX:BUFFER, repetition:N, model:FOLDER and program:COMMAND."),
        });
    }

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static RewardFunction Matches(string pattern, string text)
    {
        try
        {
            var regex = new Regex(pattern, RegexOptions.CultureInvariant, MostTime);
            return RewardFunction.Of(text, completion => regex.IsMatch(completion.Text!) ? 1 : 0);
        }
        catch (ArgumentException error)
        {
            throw new ToolException($"--reward '{text}' is not a regular expression: {error.Message}", error);
        }
    }

    // The folder of a whole model, or of the adapter that `peft reward` trained. It lives as long as the run.
    private static SequenceClassifier Model(string folder)
        => AdapterIn(folder) is { TaskType: not "SEQ_CLS" } other ? throw new ToolException($"--reward model:{folder} is an adapter for {other.TaskType ?? "no task"}, but must be a reward model, as `peft reward` trains it.")
            : File.Exists(Path.Combine(folder, AdapterConfig.FileName))
            ? AutoPeftModel.ForSequenceClassification(folder, new() { LabelCount = 1 }).Model
            : SequenceClassifier.FromPretrained(folder, new LoadOptions { LabelCount = 1 });

    private static AdapterOptions? AdapterIn(string folder) => File.Exists(Path.Combine(folder, AdapterConfig.FileName)) ? AdapterConfig.Read(folder) : null;
}
