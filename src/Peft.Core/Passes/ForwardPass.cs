using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The forward pass of a model that runs on this thread, as adapter layers see it: its tokens, its positions and which rows of the batch a layer gets. The model enters it while its layers run.
/// </summary>
/// <remarks>It belongs to the thread: the layers of a pass run on the thread that called the model, and a backward pass that runs layers again (gradient checkpointing) enters it again.</remarks>
public sealed class ForwardPass
{
    private static readonly ForwardPass None = new();

    [ThreadStatic] private static ForwardPass? current;

    private ForwardPass() { }

    private ForwardPass(ForwardPass other) => (Tokens, Positions, IsPreliminary, Rows) = (other.Tokens, other.Positions, other.IsPreliminary, other.Rows);

    /// <summary>The pass of this thread; outside of one, a pass of which nothing is known.</summary>
    public static ForwardPass Current => current ?? None;

    /// <summary>The token ids; null outside of a pass, and where the model got embeddings.</summary>
    public PassTokens? Tokens { get; private init; }

    /// <summary>The positions; null outside of a pass.</summary>
    public PassPositions? Positions { get; private init; }

    /// <summary>True in the preliminary pass that a model makes for adapters that read its hidden states first (<see cref="IReadsPreliminaryPass"/>): adapters stay out of it.</summary>
    public bool IsPreliminary { get; private init; }

    /// <summary>Indices of the batch's rows that a layer gets, <c>[rows]</c>; null for all.</summary>
    internal Tensor? Rows { get; private init; }

    /// <summary>Enters a pass until the result is disposed, on the same thread.</summary>
    /// <param name="tokens">Its tokens, which stay the caller's; null if unknown.</param>
    /// <param name="positions">Its positions.</param>
    public static IDisposable Enter(PassTokens? tokens, PassPositions positions) => Enter(new ForwardPass(Current) { Tokens = tokens, Positions = positions });

    /// <summary>Enters the preliminary pass until the result is disposed.</summary>
    public static IDisposable EnterPreliminary() => Enter(new ForwardPass(Current) { IsPreliminary = true });

    /// <summary>Enters some rows of the batch, by their indices among those that are seen so far, until the result is disposed.</summary>
    internal static IDisposable EnterRows(Tensor rows)
    {
        var whole = Current;
        var tokens = whole.Tokens?.Part(ids => ids.index_select(0, rows.to(ids.device)));
        return Enter(new ForwardPass(whole) { Rows = whole.Rows?.index_select(0, rows.to(whole.Rows.device)) ?? rows, Tokens = tokens }, tokens);
    }

    /// <summary>Enters a run of the new positions until the result is disposed. The tokens before it stay known.</summary>
    internal static IDisposable EnterRun(long start, long length, long of)
    {
        var whole = Current;
        var tokens = whole.Tokens?.Part(ids => ids.narrow(1, 0, ids.shape[1] - of + start + length));
        return Enter(new ForwardPass(whole) { Positions = whole.Positions?.Run(start, length, of), Tokens = tokens }, tokens);
    }

    /// <summary>The entries of a tensor <c>[batch, …]</c> for the rows that a layer gets: the tensor itself if those are all, or if it has one entry for all rows.</summary>
    /// <param name="perRow">The tensor.</param>
    public static Tensor SelectRows(Tensor perRow)
    {
        ArgumentNullException.ThrowIfNull(perRow);
        return Current.Rows is not { } rows || perRow.shape[0] == 1 ? perRow : perRow.index_select(0, rows.to(perRow.device));
    }

    private static Exit Enter(ForwardPass pass, IDisposable? owned = null)
    {
        var before = current;
        current = pass;
        return new Exit(before, owned);
    }

    private sealed class Exit(ForwardPass? before, IDisposable? owned) : IDisposable
    {
        public void Dispose()
        {
            current = before;
            owned?.Dispose();
        }
    }
}
