using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The context of the forward pass that runs on this thread, for adapter layers: its tokens, its positions, and the rows of the batch that a layer receives. The model enters it while its layers run.
/// </summary>
/// <remarks>It belongs to the thread: the layers of a forward pass run on the thread that called the model, and a backward pass that runs layers again (gradient checkpointing) enters it again.</remarks>
public sealed class ForwardPass
{
    private static readonly ForwardPass None = new();

    [ThreadStatic] private static ForwardPass? current;

    private ForwardPass() { }

    private ForwardPass(ForwardPass other) => (Tokens, Positions, IsPreliminary, Rows) = (other.Tokens, other.Positions, other.IsPreliminary, other.Rows);

    /// <summary>The forward pass of this thread; outside a forward pass, an empty one.</summary>
    public static ForwardPass Current => current ?? None;

    /// <summary>The token ids; null outside a forward pass, or if the model received embeddings.</summary>
    public PassTokens? Tokens { get; private init; }

    /// <summary>The positions; null outside a forward pass.</summary>
    public PassPositions? Positions { get; private init; }

    /// <summary>True in the preliminary forward pass for adapters that read the model's hidden states first (<see cref="IReadsPreliminaryPass"/>). Adapters are inactive in it.</summary>
    public bool IsPreliminary { get; private init; }

    /// <summary>Indices of the batch rows that a layer receives, <c>[rows]</c>; null for all.</summary>
    internal Tensor? Rows { get; private init; }

    /// <summary>Enters a forward pass until the result is disposed, on the same thread.</summary>
    /// <param name="tokens">Its tokens, which the caller owns; null if unknown.</param>
    /// <param name="positions">Its positions.</param>
    public static IDisposable Enter(PassTokens? tokens, PassPositions positions) => Enter(new ForwardPass(Current) { Tokens = tokens, Positions = positions });

    /// <summary>Enters the preliminary forward pass until the result is disposed.</summary>
    public static IDisposable EnterPreliminary() => Enter(new ForwardPass(Current) { IsPreliminary = true });

    /// <summary>Selects some rows, by their indices among the current rows, until the result is disposed.</summary>
    internal static IDisposable EnterRows(Tensor rows)
    {
        var outer = Current;
        var tokens = outer.Tokens?.Part(ids => ids.index_select(0, rows.to(ids.device)));
        return Enter(new ForwardPass(outer) { Rows = outer.Rows?.index_select(0, rows.to(outer.Rows.device)) ?? rows, Tokens = tokens }, tokens);
    }

    /// <summary>Selects a span of the new positions until the result is disposed. The tokens before it remain known.</summary>
    internal static IDisposable EnterRun(long start, long length, long of)
    {
        var outer = Current;
        var tokens = outer.Tokens?.Part(ids => ids.narrow(1, 0, ids.size(1) - of + start + length));
        return Enter(new ForwardPass(outer) { Positions = outer.Positions?.Run(start, length, of), Tokens = tokens }, tokens);
    }

    /// <summary>Selects the entries of a tensor <c>[batch, …]</c> for the rows that a layer receives. Returns the tensor itself if the layer receives all rows, or if the tensor has one entry for all rows.</summary>
    /// <param name="perRow">The tensor.</param>
    public static Tensor SelectRows(Tensor perRow)
    {
        ArgumentNullException.ThrowIfNull(perRow);
        return Current.Rows is not { } rows || perRow.size(0) == 1 ? perRow : perRow.index_select(0, rows.to(perRow.device));
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
