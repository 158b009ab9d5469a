using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Runs forward and backward passes over parts of batches on several threads. They synchronize once per batch, whereas torch's own threads synchronize in each operation.
/// </summary>
/// <remarks>Each part has its own gradients, which are added in the order of the parts, so that runs are reproducible.</remarks>
internal sealed class ParallelBackward(Trainer trainer, FlatParameters parameters) : IBackward
{
    // Each part but the first has a copy of the gradients, and each computes the weights into which adapters are folded. With more bytes than this, that would take too much memory or time.
    private const long MaxBytes = 1L << 26;

    private IReadOnlyList<TrainableTensor> trained = [];   // the tensors that the gradients are for
    private readonly int maxParts = MaxParts(trainer, parameters);
    private PartThreads? threads;
    private PartGradients[] gradients = [];
    private Tensor[] held = [];   // graphs of the tensors
    private bool tried, unsupported;
    private Tensor? random;   // the state of the generator before the first run

    /// <inheritdoc/>
    public (Tensor Loss, IReadOnlyList<string> Missing)? Run(IReadOnlyList<Batch> batches, long seed, TrainingMetrics metrics)
    {
        if (unsupported || maxParts < 2 || trainer.Model.Module is ILossModel { PartsRunConcurrently: false }) return null;
        var divided = new List<IReadOnlyList<Batch>>();
        try
        {
            foreach (var batch in batches) divided.Add(trainer.Goal.Divide(batch, maxParts));
            if (divided.TrueForAll(parts => parts.Count == 1)) return null;
            threads ??= new PartThreads(maxParts);
            if (!ReferenceEquals(trained, parameters.Trained)) Renew();
            return tried ? Add(divided, metrics) : Try(divided, seed, metrics);
        }
        finally
        {
            foreach (var part in divided.SelectMany(parts => parts).Where(part => !batches.Contains(part))) part.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        threads?.Dispose();
        threads = null;
        foreach (var each in gradients) each.Dispose();
        gradients = [];
        foreach (var each in held) each.Dispose();
        held = [];
    }

    private void Renew()
    {
        foreach (var each in gradients) each.Dispose();
        foreach (var each in held) each.Dispose();
        trained = parameters.Trained;
        // Graphs share a node for the gradient of each tensor, which is freed with the last of them. If a thread requested gradients while another created such a node, torch would read a pointer that is being written:
        // these graphs keep the nodes.
        using var _ = enable_grad();
        held = [.. trained.Select(tensor => tensor.Value.alias().DetachFromDisposeScope())];
        gradients = [.. Enumerable.Range(0, maxParts).Select(i => new PartGradients(parameters, isFirst: i == 0))];
    }

    private static int MaxParts(Trainer trainer, FlatParameters parameters)
    {
        var device = trainer.Model.Trainables[0].Value.device;
        var bytes = parameters.Buffers.Sum(buffer => buffer.Gradients.numel() * buffer.Gradients.ElementSize);
        if (!TorchRuntime.Cpu.ParallelParts || device.type != DeviceType.CPU || bytes > MaxBytes || (trainer.Options.ParallelParts is null && trainer.Model is PeftModel { FoldedBytes: > MaxBytes })) return 1;
        return trainer.Options.ParallelParts ?? get_num_threads();
    }

    // Threads would draw random values (dropout) in an order that differs between runs, and a loss without a gradient must be reported for the full batch. The first run checks for both;
    // its gradients are used if it finds neither.
    private (Tensor Loss, IReadOnlyList<string> Missing)? Try(List<IReadOnlyList<Batch>> divided, long seed, TrainingMetrics metrics)
    {
        using var scope = NewDisposeScope();
        using var own = new TrainingMetrics();
        random = RandomState.Get();
        var result = Add(divided, own);
        tried = result is not null && !RandomState.HasChanged(random);
        random = null;
        if (tried)
        {
            metrics.Take(own);
            result!.Value.Loss.MoveToOuterDisposeScope();
            return result;
        }
        unsupported = true;
        Dispose();
        parameters.ZeroGradients();
        manual_seed(seed);
        return null;
    }

    // Null if a part has no differentiable loss, or has drawn random values in the first run.
    private (Tensor Loss, IReadOnlyList<string> Missing)? Add(List<IReadOnlyList<Batch>> divided, TrainingMetrics metrics)
    {
        using var scope = NewDisposeScope();
        var weight = divided.Sum(parts => parts.Sum(part => part.Weight));
        Tensor? total = null;
        var reached = new bool[trained.Count];
        foreach (var parts in divided)
        {
            var losses = new Tensor?[parts.Count];
            threads!.Run([.. parts.Select((part, i) => new Action(() => losses[i] = Backward(part, part.Weight / weight, gradients[i], metrics)))]);
            if (Array.Exists(losses, loss => loss is null))
            {
                foreach (var loss in losses) loss?.Dispose();
                return null;
            }
            for (var i = 0; i < parts.Count; i++)
            {
                using var loss = losses[i]!;
                total = total is null ? loss.clone() : total.add(loss, One);
                gradients[i].Give();
                for (var j = 0; j < reached.Length; j++) reached[j] |= gradients[i].Reached[j];
            }
        }
        return (total!.MoveToOuterDisposeScope(), [.. trained.Where((_, i) => !reached[i]).Select(tensor => tensor.Name)]);
    }

    private Tensor? Backward(Batch part, double weight, PartGradients into, TrainingMetrics metrics)
    {
        using var once = SavedTensors.InOnePass();
        using var direct = DirectGradients.To(into);
        into.Begin();
        using var terms = trainer.Goal.LossTerms(part, metrics).GetEnumerator();
        Tensor? sum = null;
        while (true)
        {
            using var scope = NewDisposeScope();
            if (!terms.MoveNext()) return sum;
            var loss = terms.Current.mul(Constant(weight));
            // Drawn values are looked for before the backward pass too, in which checkpointed layers set the generator's state, and set it back.
            if (!tried && (loss.numel() != 1 || !loss.requires_grad || RandomState.HasChanged(random!)))
            {
                sum?.Dispose();
                return null;
            }
            into.Add(BackwardFailure.Run(() => autograd.grad([loss], [.. into.Tensors, into.Anchor], allow_unused: true)));
            var value = loss.detach();
            using var before = sum;
            sum = (before is null ? value : before.add(value, One)).DetachFromDisposeScope();
        }
    }
}
