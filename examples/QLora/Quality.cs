using Examples;
using Peft.Models;
using static System.FormattableString;

namespace QLora;

/// <summary>What an adapter learns on weights of each precision: the same training, on stories260K.</summary>
internal static class Quality
{
    private const int Steps = 300;

    /// <summary>Trains on weights of each precision.</summary>
    /// <param name="root">The repository.</param>
    public static ResultsTable Table(string root)
    {
        var model = new Candidate(Path.Combine(root, "models", "stories260K"), ModelConfig.FromFolder(Path.Combine(root, "models", "stories260K")));
        List<(string Name, FineTuning Result)> results = [.. Precision.Offered.Select(each => (each.Name, FineTuning.Run(new(model, each), Path.Combine(root, "data", "tinyshakespeare"), Steps, output: null)))];
        return new(["weights", "perplexity before", "after", "against float32"], results.Select(each => (string[])[each.Name, Invariant($"{each.Result.Before:F1}"), Invariant($"{each.Result.After:F2}"), Invariant($"{each.Result.After / results[0].Result.After - 1:+0.0%;-0.0%;0}")]));
    }
}
