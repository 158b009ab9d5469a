using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Steps as one node of the autograd graph. Each node has a cost of its own: its arguments, saved tensors and gradients pass between .NET and torch. Each saved tensor is freed after its last use in the backward pass.
/// </summary>
internal sealed class StepsNode : GraphNode<StepsNode>
{
    private sealed class Job(NodeSteps steps)
    {
        public IReadOnlyList<NodeStep> Steps => steps.All;

        public IReadOnlyList<NodeValue> Values => steps.Values;

        public int Inputs => steps.Inputs.Length;

        /// <inheritdoc cref="NodeSteps.Needed"/>
        public bool[] Needed { get; } = steps.Needed();

        /// <summary>For each value, its position among the saved tensors; −1 if it is not saved.</summary>
        public int[] Saved { get; } = NotSaved(steps.Count);

        /// <summary>For each step, its trainable and kept tensors among the saved ones.</summary>
        public Range[] Own { get; } = new Range[steps.All.Count];

        /// <summary>The saved tensors.</summary>
        public NodeMemory? Memory { get; set; }

        /// <summary>True if the node must save a value that a step reads.</summary>
        public bool Saves(int step, int read)
        {
            var producer = Values[Steps[step].Reads[read]].Producer;
            return (Steps[step].Keeps(read) || (steps.Again[step] && step < Steps.Count - 1)) && !(producer >= 0 && steps.Again[producer]);
        }

        private static int[] NotSaved(int count)
        {
            var saved = new int[count];
            Array.Fill(saved, -1);
            return saved;
        }
    }

    /// <summary>Runs the steps, and returns the outputs of the last one.</summary>
    public static Tensor[] Run(NodeSteps steps)
    {
        List<object> arguments = [.. steps.Inputs];
        foreach (var step in steps.All) arguments.AddRange(step.Trained);
        arguments.Add(new Job(steps));
        return [.. Record([.. arguments])];
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        using var scope = NewDisposeScope();
        var job = (Job)arguments[^1];
        var values = new Tensor[job.Values.Count];   // null if not needed
        Array.Copy(arguments, values, job.Inputs);
        var (first, saved, outputs) = (job.Inputs, new List<Tensor>(), Array.Empty<Tensor>());
        for (var i = 0; i < job.Steps.Count; i++)
        {
            var step = job.Steps[i];
            var start = saved.Count;
            saved.AddRange(step.Trained);
            if (job.Needed[i])
            {
                outputs = step.Forward(step.Read(values), saved);
                outputs.CopyTo(values, first);
            }
            else
            {
                step.Prepare(step.Read(values), saved);
            }
            first += step.Outputs;
            job.Own[i] = start..saved.Count;
            for (var r = 0; r < step.Reads.Length; r++)
            {
                var read = step.Reads[r];
                if (job.Saved[read] < 0 && job.Saves(i, r))
                {
                    job.Saved[read] = saved.Count;
                    saved.Add(values[read]);
                }
                else if (job.Saved[read] < 0 && read >= job.Inputs && job.Values[read].LastUse == i) values[read]?.Dispose();
            }
        }
        if (!job.Needed[^1]) outputs = NotComputed(values[0], job.Steps[^1].Outputs);
        foreach (var output in outputs) output.MoveToOuterDisposeScope();
        job.Memory = new(saved, scope);
        job.Memory.Save(context);
        context.save_data(nameof(Job), job);
        return outputs;
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var job = (Job)context.get_data(nameof(Job));
        var saved = job.Memory!.Get(context);
        var (sums, first) = (new GradientSums(job.Values.Count), job.Values.Count - gradients.Length);
        var trained = 0;
        foreach (var step in job.Steps) trained += step.Trained.Length;
        var all = new Tensor?[job.Inputs + trained + 1];   // the result: gradients of inputs and trainable tensors, and null for the job
        var recomputed = new Tensor?[job.Values.Count];
        for (var i = 0; i < gradients.Length; i++) sums.Add(first + i, gradients[i], isOwn: false);
        for (var (i, end) = (job.Steps.Count - 1, all.Length - 1); i >= 0; i--)
        {
            var step = job.Steps[i];
            end -= step.Trained.Length;
            if (sums.Take(first, step.Outputs) is { } given)
            {
                var (values, wanted) = (new Tensor[step.Reads.Length], new bool[step.Reads.Length]);
                for (var r = 0; r < values.Length; r++)
                {
                    if (step.Keeps(r)) values[r] = Value(step.Reads[r]);
                    wanted[r] = job.Values[step.Reads[r]].Learns;
                }
                var results = Differentiate(step, values, Own(i), given, wanted);
                for (var r = 0; r < values.Length; r++)
                {
                    if (results[r] is not { } result) continue;
                    var isGiven = Contains(given, result);
                    sums.Add(step.Reads[r], isGiven ? result.alias() : result, !isGiven);
                }
                Array.Copy(results, values.Length, all, end, step.Trained.Length);
                foreach (var each in given) each.Dispose();
            }
            job.Memory.Free(context, saved, job.Own[i]);
            foreach (var read in step.Reads)
            {
                if (job.Values[read].FirstUse != i) continue;
                if (job.Saved[read] is >= 0 and var at) job.Memory.Free(context, saved, at..(at + 1));
                if (recomputed[read] is { } value) value.Dispose();
                recomputed[read] = null;
            }
            if (i > 0) first -= job.Steps[i - 1].Outputs;
        }
        for (var i = 0; i < job.Inputs; i++) all[i] = sums[i];
        return all;

        ReadOnlySpan<Tensor> Own(int i) => saved.AsSpan(job.Own[i]);

        Tensor Value(int value)
        {
            if (job.Saved[value] >= 0) return saved[job.Saved[value]];
            if (recomputed[value] is { } known) return known;
            var i = job.Values[value].Producer;
            var outputs = job.Steps[i].Again(Array.ConvertAll(job.Steps[i].Reads, Value), Own(i));
            var start = value;
            while (job.Values[start - 1].Producer == i) start--;
            outputs.CopyTo(recomputed, start);
            return recomputed[value]!;
        }
    }

    private static Tensor[] NotComputed(Tensor like, int count)
    {
        var outputs = new Tensor[count];
        for (var i = 0; i < count; i++) outputs[i] = full(1, Constant(float.NaN), like.dtype, like.device).expand(like.Sizes());
        return outputs;
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
