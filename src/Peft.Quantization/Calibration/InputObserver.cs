using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Collects the inputs of modules while samples run, by hooks.</summary>
internal sealed class InputObserver : IDisposable
{
    private readonly List<Action> removals = [];
    private readonly List<InputGroup> groups = [];
    private readonly HashSet<InputGroup> counted = [];
    private readonly bool onlyFirst;
    private Tensor? last, mask;
    private InputGroup? current;
    private int sample;

    /// <param name="modules">The modules.</param>
    /// <param name="onlyFirst">True to end a pass where the modules of the first input have been reached.</param>
    public InputObserver(IEnumerable<CalibratedModule> modules, bool onlyFirst)
    {
        this.onlyFirst = onlyFirst;
        foreach (var module in modules)
            removals.Add(module.Module.register_forward_pre_hook((_, input) =>
            {
                See(module, input);
                return null!;
            }).remove);
    }

    /// <summary>The modules that were reached, by their input, in the order of execution.</summary>
    public IReadOnlyList<InputGroup> Groups => groups;

    /// <summary>Begins a sample.</summary>
    public void Begin(int index, Tensor? ofSample) => (sample, mask, last, current) = (index, ofSample, null, null);

    private void See(CalibratedModule module, Tensor input)
    {
        var isSame = ReferenceEquals(input, last);
        var group = groups.Find(each => each.Modules.Contains(module));
        if (group is null && isSame)
        {
            current!.Modules.Add(module);
            return;
        }
        if (group is null)
        {
            if (onlyFirst && groups.Count > 0) throw new PassEnded();
            groups.Add(group = new(new(input.size(-1), input.device)));
            group.Modules.Add(module);
        }
        if (!isSame) counted.Clear();
        (last, current) = (input, group);
        if (!counted.Add(group)) return;
        using var scope = NewDisposeScope();
        var rows = Real(input);
        if (!Values.IsFinite(rows)) throw new QuantizationException($"The input of {module.Path} holds values that are not finite in sample {sample}: check that sample, or the dtype of the model. The model is unchanged.");
        group.Inputs.Add(rows);
    }

    // The positions that are not padding.
    private Tensor Real(Tensor input)
    {
        var rows = input.detach().reshape(-1, input.size(-1));
        var real = ForwardPass.Current.Positions?.Real ?? mask;
        if (real is null || !real.shape.AsSpan().SequenceEqual(input.shape.AsSpan(0, input.shape.Length - 1))) return rows;
        return rows.index_select(0, real.reshape(-1).nonzero().reshape(-1).to(rows.device));
    }

    public void Dispose()
    {
        foreach (var remove in removals) remove();
    }
}
