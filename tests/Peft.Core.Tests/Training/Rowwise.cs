using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

/// <summary>A linear layer whose batches can be divided, and which finds no memory for more than some rows.</summary>
internal sealed class Rowwise : nn.Module<Tensor, Tensor>, ILossModel
{
    private readonly TorchSharp.Modules.Linear layer;
    private int refused;

    public Rowwise() : base("rowwise")
    {
        manual_seed(5);
        layer = nn.Linear(4, 1);
        RegisterComponents();
    }

    public int Most { get; init; } = int.MaxValue;

    public bool PartsRunConcurrently { get; init; } = true;

    public ConcurrentQueue<(long Rows, int Thread)> Calls { get; } = [];

    public List<long> Seen => [.. Calls.Select(call => call.Rows)];

    public int Refused => refused;

    public override Tensor forward(Tensor input) => layer.call(input);

    public Tensor Loss(Batch batch)
    {
        var rows = batch.InputIds.shape[0];
        if (rows > Most)
        {
            Interlocked.Increment(ref refused);
            throw new NotEnoughMemoryException($"no memory for {rows} rows");
        }
        Calls.Enqueue((rows, Environment.CurrentManagedThreadId));
        return nn.functional.mse_loss(call(batch.InputIds), batch.Labels!);
    }

    public IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        var rows = batch.InputIds.shape[0];
        parts = (int)Math.Min(parts, rows);
        return parts < 2 ? [batch] : [.. Enumerable.Range(0, parts).Select(part => (Start: rows * part / parts, End: rows * (part + 1) / parts)).Select(run => batch.Rows(run.Start, run.End - run.Start, run.End - run.Start)!)];
    }
}
