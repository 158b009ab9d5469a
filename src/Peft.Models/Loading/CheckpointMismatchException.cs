namespace Peft.Models;

/// <summary>The tensors of a checkpoint do not match the model that its configuration describes.</summary>
public sealed class CheckpointMismatchException : PeftException
{
    internal CheckpointMismatchException(string source, IReadOnlyList<string> missing, IReadOnlyList<string> unexpected, IReadOnlyList<string> mismatched)
        : base(Describe(source, missing, unexpected, mismatched))
    {
        (Missing, Unexpected, Mismatched) = (missing, unexpected, mismatched);
    }

    /// <summary>Parameters of the model that the checkpoint lacks.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Tensors of the checkpoint that are not in the model.</summary>
    public IReadOnlyList<string> Unexpected { get; }

    /// <summary>Tensors whose shape differs from the model's, with both shapes.</summary>
    public IReadOnlyList<string> Mismatched { get; }

    private static string Describe(string source, IReadOnlyList<string> missing, IReadOnlyList<string> unexpected, IReadOnlyList<string> mismatched)
    {
        var parts = new List<string>();
        if (missing.Count > 0) parts.Add($"missing: {Some(missing)}");
        if (unexpected.Count > 0) parts.Add($"unexpected: {Some(unexpected)}");
        if (mismatched.Count > 0) parts.Add($"with a different shape: {Some(mismatched)}");
        return $"The weights in '{source}' do not match its config.json: {string.Join("; ", parts)}. Check that both files belong together.";
    }

    private static string Some(IReadOnlyList<string> names)
        => names.Count <= 8 ? string.Join(", ", names) : $"{string.Join(", ", names.Take(8))} and {names.Count - 8} more";
}
