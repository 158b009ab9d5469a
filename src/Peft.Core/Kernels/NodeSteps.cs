using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Steps that are to become one node of the autograd graph, or to run without gradients. Each reads the inputs or outputs of earlier steps by their indices.</summary>
/// <param name="inputs">The values 0, 1, …</param>
internal sealed class NodeSteps(params Tensor[] inputs)
{
    private readonly List<NodeStep> steps = [];
    private readonly List<bool> again = [];
    private readonly List<bool> learns = [.. inputs.Select(input => input.requires_grad)];   // for each value, true if it requires a gradient

    /// <summary>The inputs.</summary>
    public IReadOnlyList<Tensor> Inputs => inputs;

    /// <summary>The steps in order.</summary>
    public IReadOnlyList<NodeStep> All => steps;

    /// <summary>For each step, true if its outputs are not saved but computed again in the backward pass.</summary>
    public IReadOnlyList<bool> Again => again;

    /// <summary>Number of values.</summary>
    public int Count => learns.Count;

    /// <summary>Adds a step, and returns the index of its first output; the others follow.</summary>
    /// <param name="step">The step.</param>
    /// <param name="isRecomputed">True if its outputs are not saved but computed again in the backward pass.</param>
    public int Add(NodeStep step, bool isRecomputed = false)
    {
        var first = learns.Count;
        var any = Array.Exists(step.Reads, read => learns[read]) || Array.Exists(step.Trained, tensor => tensor.requires_grad);
        steps.Add(step);
        again.Add(isRecomputed);
        for (var i = 0; i < step.Outputs; i++) learns.Add(any);
        return first;
    }

    /// <summary>True if a value requires a gradient.</summary>
    public bool Learns(int value) => learns[value];

    /// <summary>Runs the steps, and returns the outputs of the last one.</summary>
    public Tensor[] Run() => is_grad_enabled() ? StepsNode.Run(this) : Compute();

    // Without gradients, each value is freed after its last use.
    private Tensor[] Compute()
    {
        var (values, uses, first) = (new Tensor[Count], Uses(), inputs.Length);
        inputs.CopyTo(values, 0);
        for (var i = 0; i < steps.Count; i++)
        {
            using var scope = NewDisposeScope();   // for what only the backward pass would need
            var outputs = steps[i].Forward(Array.ConvertAll(steps[i].Reads, read => values[read]), []);
            foreach (var output in outputs) output.MoveToOuterDisposeScope();
            outputs.CopyTo(values, first);
            first += outputs.Length;
            foreach (var read in steps[i].Reads.Distinct())
                if (read >= inputs.Length && uses[read].Last == i) values[read].Dispose();
        }
        return values[^steps[^1].Outputs..];
    }

    /// <summary>For each value, the first and the last step that reads it; (<see cref="int.MaxValue"/>, −1) if none does.</summary>
    public (int First, int Last)[] Uses()
    {
        var uses = new (int First, int Last)[Count];
        Array.Fill(uses, (int.MaxValue, -1));
        for (var i = 0; i < steps.Count; i++)
            foreach (var read in steps[i].Reads) uses[read] = (Math.Min(uses[read].First, i), i);
        return uses;
    }
}
