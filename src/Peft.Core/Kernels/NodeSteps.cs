using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Steps that are to become one node of the autograd graph, or to run without gradients. Each reads the inputs or outputs of earlier steps by their indices.</summary>
internal sealed class NodeSteps
{
    private readonly List<NodeStep> steps = [];
    private readonly List<bool> again = [];
    private readonly List<NodeValue> values = [];

    /// <summary>Creates a list without steps.</summary>
    /// <param name="inputs">The values 0, 1, …</param>
    public NodeSteps(params Tensor[] inputs)
    {
        Inputs = inputs;
        foreach (var input in inputs) values.Add(new(input.requires_grad, producer: -1));
    }

    /// <summary>
    /// True if the outputs serve only to start a backward pass, as in the second run of a checkpointed layer: they have the shape of the first input and the values NaN, and steps that only these need do not run.
    /// </summary>
    public bool OnlyGradients { get; init; }

    /// <summary>The inputs.</summary>
    public Tensor[] Inputs { get; }

    /// <summary>The steps in order.</summary>
    public IReadOnlyList<NodeStep> All => steps;

    /// <summary>For each step, true if its outputs are not saved but computed again in the backward pass.</summary>
    public IReadOnlyList<bool> Again => again;

    /// <summary>The values: inputs, then the outputs of the steps.</summary>
    public IReadOnlyList<NodeValue> Values => values;

    /// <summary>Number of values.</summary>
    public int Count => values.Count;

    /// <summary>Adds a step, and returns the index of its first output; the others follow.</summary>
    /// <param name="step">The step.</param>
    /// <param name="isRecomputed">True if its outputs are not saved but computed again in the backward pass. No effect with <see cref="OnlyGradients"/>.</param>
    public int Add(NodeStep step, bool isRecomputed = false)
    {
        var (index, first, learns) = (steps.Count, values.Count, Array.Exists(step.Trained, tensor => tensor.requires_grad));
        foreach (var read in step.Reads)
        {
            values[read].AddUse(index);
            learns |= values[read].Learns;
        }
        steps.Add(step);
        again.Add(isRecomputed && !OnlyGradients);
        for (var i = 0; i < step.Outputs; i++) values.Add(new(learns, index));
        return first;
    }

    /// <summary>For each step, true if its outputs must be computed: in the backward pass, or in a later step whose outputs are.</summary>
    public bool[] Needed()
    {
        var needed = new bool[steps.Count];
        if (!OnlyGradients)
        {
            Array.Fill(needed, true);
            return needed;
        }
        for (var i = needed.Length - 1; i >= 0; i--)
        {
            needed[i] |= !steps[i].Prepares;
            for (var r = 0; r < steps[i].Reads.Length; r++)
            {
                var producer = values[steps[i].Reads[r]].Producer;
                if (producer >= 0 && (needed[i] || steps[i].Keeps(r))) needed[producer] = true;
            }
        }
        return needed;
    }

    /// <summary>Runs the steps, and returns the outputs of the last one.</summary>
    public Tensor[] Run() => is_grad_enabled() ? StepsNode.Run(this) : Compute();

    // Without gradients, each value is freed after its last use.
    private Tensor[] Compute()
    {
        var (results, first) = (new Tensor[Count], Inputs.Length);
        Inputs.CopyTo(results, 0);
        for (var i = 0; i < steps.Count; i++)
        {
            using var scope = NewDisposeScope();   // for what only the backward pass would need
            var outputs = steps[i].Forward(steps[i].Read(results), []);
            foreach (var output in outputs) output.MoveToOuterDisposeScope();
            outputs.CopyTo(results, first);
            first += outputs.Length;
            foreach (var read in steps[i].Reads.Distinct())
                if (read >= Inputs.Length && values[read].LastUse == i) results[read].Dispose();
        }
        return results[^steps[^1].Outputs..];
    }
}
