using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Steps as one node of the autograd graph. Each node has a cost of its own: its arguments, saved tensors and gradients pass between .NET and torch. Each saved tensor is freed after its last use in the backward pass.
/// </summary>
internal sealed class StepsNode : GraphNode<StepsNode>
{
    private sealed class Job(NodeSteps steps)
    {
        public IReadOnlyList<NodeStep> Steps { get; } = steps.All;

        public int Inputs { get; } = steps.Inputs.Count;

        /// <summary>For each value, true if it requires a gradient.</summary>
        public bool[] Learns { get; } = [.. Enumerable.Range(0, steps.Count).Select(steps.Learns)];

        /// <summary>For each value, its position among the saved tensors; −1 if it is not saved.</summary>
        public int[] Saved { get; } = [.. Enumerable.Repeat(-1, steps.Count)];

        /// <summary>For each step, its trainable and kept tensors among the saved ones, or only its kept ones.</summary>
        public Range[] Own { get; } = new Range[steps.All.Count];

        /// <summary>For each step, true if its trainable tensors are saved: not parameters in a step of a trainer, which changes them after the backward pass.</summary>
        public bool[] SavesTrained { get; } = [.. steps.All.Select(step => !SavedTensors.RunOnce || !Array.TrueForAll(step.Trained, tensor => tensor is Parameter))];

        /// <summary>For each value, the step that computes it; −1 for an input.</summary>
        public int[] Producers { get; } = [.. Enumerable.Repeat(-1, steps.Inputs.Count), .. steps.All.SelectMany((step, i) => Enumerable.Repeat(i, step.Outputs))];

        /// <summary>True if the node must save a value that a step reads.</summary>
        public bool Saves(int step, int read)
        {
            var producer = Producers[Steps[step].Reads[read]];
            return (Steps[step].Keeps(read) || (steps.Again[step] && step < Steps.Count - 1)) && !(producer >= 0 && steps.Again[producer]);
        }

        /// <summary>For each value, the first and the last step that reads it.</summary>
        public (int First, int Last)[] Uses { get; } = steps.Uses();
    }

    /// <summary>Runs the steps, and returns the outputs of the last one.</summary>
    public static Tensor[] Run(NodeSteps steps) => [.. Record([.. steps.Inputs, .. steps.All.SelectMany(step => step.Trained), new Job(steps)])];

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var job = (Job)arguments[^1];
        var values = new Tensor[job.Learns.Length];
        Array.Copy(arguments, values, job.Inputs);
        var (first, saved, outputs) = (job.Inputs, new List<Tensor>(), Array.Empty<Tensor>());
        for (var i = 0; i < job.Steps.Count; i++)
        {
            var step = job.Steps[i];
            var start = saved.Count;
            if (job.SavesTrained[i]) saved.AddRange(step.Trained);
            outputs = step.Forward(Array.ConvertAll(step.Reads, read => values[read]), saved);
            outputs.CopyTo(values, first);
            first += outputs.Length;
            job.Own[i] = start..saved.Count;
            for (var r = 0; r < step.Reads.Length; r++)
            {
                var read = step.Reads[r];
                if (job.Saved[read] < 0 && job.Saves(i, r))
                {
                    job.Saved[read] = saved.Count;
                    saved.Add(values[read]);
                }
                else if (job.Saved[read] < 0 && read >= job.Inputs && job.Uses[read].Last == i) values[read].Dispose();
            }
        }
        context.save_data(nameof(Job), job);
        context.save_for_backward(saved);
        return outputs;
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var job = (Job)context.get_data(nameof(Job));
        var saved = context.get_saved_variables().ToArray();
        var (sums, ofTrained, first) = (new GradientSums(job.Learns.Length), new List<Tensor?>[job.Steps.Count], job.Learns.Length - gradients.Length);
        var recomputed = new Tensor?[job.Learns.Length];
        for (var i = 0; i < gradients.Length; i++) sums.Add(first + i, gradients[i], isOwn: false);
        for (var i = job.Steps.Count - 1; i >= 0; i--)
        {
            var step = job.Steps[i];
            ofTrained[i] = [.. new Tensor?[step.Trained.Length]];
            if (sums.Take(first, step.Outputs) is { } given)
            {
                var values = new Tensor[step.Reads.Length];
                for (var r = 0; r < values.Length; r++)
                    if (step.Keeps(r)) values[r] = Value(step.Reads[r]);
                var results = Differentiate(step, values, Own(i), given, Array.ConvertAll(step.Reads, read => job.Learns[read]));
                for (var r = 0; r < step.Reads.Length; r++)
                {
                    if (results[r] is not { } result) continue;
                    var isGiven = Contains(given, result);
                    sums.Add(step.Reads[r], isGiven ? result.alias() : result, !isGiven);
                }
                ofTrained[i] = [.. results[step.Reads.Length..]];
                foreach (var each in given) each.Dispose();
            }
            SavedTensors.Free(context, saved, job.Own[i]);
            foreach (var read in step.Reads)
            {
                if (job.Uses[read].First != i) continue;
                if (job.Saved[read] is >= 0 and var at) SavedTensors.Free(context, saved, at..(at + 1));
                if (recomputed[read] is { } value) value.Dispose();
                recomputed[read] = null;
            }
            if (i > 0) first -= job.Steps[i - 1].Outputs;
        }
        return [.. Enumerable.Range(0, job.Inputs).Select(i => sums[i]), .. ofTrained.SelectMany(own => own), null];

        Tensor[] Own(int i) => [.. job.SavesTrained[i] ? [] : job.Steps[i].Trained, .. saved[job.Own[i]]];

        Tensor Value(int value)
        {
            if (job.Saved[value] >= 0) return saved[job.Saved[value]];
            if (recomputed[value] is { } known) return known;
            var i = job.Producers[value];
            var outputs = job.Steps[i].Again(Array.ConvertAll(job.Steps[i].Reads, Value), Own(i));
            outputs.CopyTo(recomputed, Array.IndexOf(job.Producers, i));
            return recomputed[value]!;
        }
    }

    // Views that a step makes would keep memory until the end of the node.
    private static Tensor?[] Differentiate(NodeStep step, Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] given, bool[] wanted)
    {
        using var scope = NewDisposeScope();
        var results = step.Backward(values, saved, given, wanted);
        foreach (var result in results)
            if (result is not null && !Contains(given, result)) result.MoveToOuterDisposeScope();
        return results;
    }

    // Equals would compare values.
    private static bool Contains(Tensor[] tensors, Tensor one) => Array.Exists(tensors, each => ReferenceEquals(each, one));
}
