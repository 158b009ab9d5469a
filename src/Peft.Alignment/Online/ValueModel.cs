using Peft.Models;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A value model: predicts at each position the reward that the text will get. A linear head on the hidden states of a language model.</summary>
public sealed class ValueModel : IDisposable
{
    private readonly PeftModel? shared;
    private readonly string? adapter;

    private ValueModel(CausalLM body, PeftModel? shared, string? adapter, IReadOnlyList<TrainableTensor> trained, ITrainable? own)
    {
        (Body, this.shared, this.adapter, Own) = (body, shared, adapter, own);
        // Values are initially 0.
        Head = new Parameter(zeros([1, body.Spec.HiddenSize], ScalarType.Float32, body.Device));
        Head.DetachFromDisposeScope();
        Trainables = [.. trained.Select(each => each with { Name = "value." + each.Name }), new("value.score.weight", Head)];
    }

    internal CausalLM Body { get; }

    internal ITrainable? Own { get; }

    /// <summary>Weight of the head, <c>[1, hidden]</c>. 0 at first.</summary>
    public Parameter Head { get; }

    /// <summary>The trained tensors of body and head.</summary>
    internal IReadOnlyList<TrainableTensor> Trainables { get; }

    /// <summary>Values from another adapter of the policy's base, which is added: the base weights are shared.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <param name="options">Options of the adapter; those of the policy's active adapter if null.</param>
    /// <exception cref="PeftException">Several adapters are active, or none, and no options are given.</exception>
    public static ValueModel Adapter(PeftModel policy, string name = "value", AdapterOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        var body = BodyOf(policy);
        options ??= policy.Active is [var only] ? policy.Find(only).Options
            : throw new PeftException($"{policy.Active.Count} adapters are active, but the value model's adapter is like one: give its options.");
        policy.Add(name, options with { InferenceMode = false });
        return new(body, policy, name, [.. policy.Find(name).Tensors.Where(pair => pair.Tensor.IsTrainable).Select(pair => new TrainableTensor(pair.Key, pair.Tensor.Value))], null);
    }

    /// <summary>Values from a separate model, whose trainable parameters are all trained.</summary>
    /// <param name="body">The model, a <see cref="CausalLM"/> with the policy's vocabulary. The caller keeps ownership.</param>
    public static ValueModel Model(ITrainable body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return new(BodyOf(body), null, null, body.Trainables, body);
    }

    /// <summary>Makes the tensors trainable: those of an adapter that is not active are not.</summary>
    internal void RequireGradients()
    {
        foreach (var tensor in Trainables) tensor.Value.requires_grad = true;
    }

    private static CausalLM BodyOf(ITrainable trainable) => trainable.Module as CausalLM
        ?? throw new AdapterOptionsException($"A value model's body is a {nameof(CausalLM)}, which {trainable.Module.GetType().Name} is not: load it with {nameof(CausalLM)}.FromPretrained.");

    /// <summary>The values at each position of a batch, <c>[rows, sequence]</c>.</summary>
    internal Tensor Values(Batch batch)
    {
        using var scope = NewDisposeScope();
        using var use = adapter is null ? null : shared!.WithAdapters(adapter);
        var hidden = Body.HiddenStatesOf(ModelInput.From(batch)).to_type(ScalarType.Float32);
        return nn.functional.linear(hidden, Head).squeeze(-1).MoveToOuterDisposeScope();
    }

    /// <summary>Disposes the head.</summary>
    public void Dispose() => Head.Dispose();
}
