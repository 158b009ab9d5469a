using System.Security.Cryptography;
using System.Text;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The reference model, from which alignment keeps the policy from drifting. It shares the policy's base weights unless it is a separate model, and its forward passes have no gradients.
/// </summary>
public abstract class Reference
{
    /// <summary>The base model: the policy with its adapters disabled.</summary>
    public static Reference Base { get; } = new AdaptersOff();

    /// <summary>Another adapter of the policy's model, such as a frozen copy of the policy as it was before (<see cref="ReferenceExtensions.AddReference"/>).</summary>
    public static Reference Adapter(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new OtherAdapter(name);
    }

    /// <summary>
    /// A frozen copy of the policy (<see cref="ReferenceExtensions.AddReference"/>) that follows it: every few steps, each of its values becomes mix · policy + (1 − mix) · reference (TR-DPO,
    /// Gorbatovski et al. 2024, arXiv:2404.09656). The policy has one active adapter, full fine-tuning included.
    /// </summary>
    /// <param name="name">Name of the copy.</param>
    /// <param name="every">Number of steps between two moves. 512 by default, as in TRL.</param>
    /// <param name="mix">Weight of the policy in a move, above 0 and at most 1. 0.6 by default, as in TRL.</param>
    public static Reference Following(string name = "reference", int every = 512, double mix = 0.6)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(every, 1);
        return mix is > 0 and <= 1 ? new MovingAdapter(name, every, mix) : throw new ArgumentOutOfRangeException(nameof(mix), mix, "The weight of the policy must be above 0 and at most 1.");
    }

    /// <summary>A separate model with the policy's vocabulary. The caller keeps ownership.</summary>
    public static Reference Model(CausalLM model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new OtherModel(model);
    }

    /// <summary>Begins passes of the reference, without gradients, until the result is disposed.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="model">The model to call.</param>
    internal abstract IDisposable Use(ITrainable policy, out CausalLM model);

    private sealed class Both(IDisposable first, IDisposable second) : IDisposable
    {
        public void Dispose()
        {
            second.Dispose();
            first.Dispose();
        }
    }

    /// <summary>Reasons that the reference cannot be used with a policy.</summary>
    internal virtual IEnumerable<string> Errors(ITrainable policy) => [];

    /// <summary>Called after each step.</summary>
    internal virtual void Move(ITrainable policy, int step) { }

    /// <summary>The tensors that <see cref="Move"/> changes, by their keys.</summary>
    internal virtual IEnumerable<KeyValuePair<string, Tensor>> Moving(ITrainable policy) => [];

    /// <summary>Adds to a hash what tells the reference from others of the same model.</summary>
    internal abstract void Identify(ITrainable policy, IncrementalHash hash);

    private static void Add(IncrementalHash hash, string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));

    private sealed class AdaptersOff : Reference
    {
        internal override IDisposable Use(ITrainable policy, out CausalLM model)
        {
            model = (CausalLM)policy.Module;
            return new Both(((PeftModel)policy).WithoutAdapters(), no_grad());
        }

        internal override void Identify(ITrainable policy, IncrementalHash hash) => Add(hash, "base");

        internal override IEnumerable<string> Errors(ITrainable policy)
            => policy is PeftModel ? [] : ["The reference is the policy without its adapters, but the policy has none: train an adapter (full fine-tuning is one: ApplyFull), or give a reference model (Reference.Model)."];
    }

    private class OtherAdapter(string name) : Reference
    {
        internal override void Identify(ITrainable policy, IncrementalHash hash)
        {
            using var scope = NewDisposeScope();
            foreach (var (key, value) in ((PeftModel)policy).Find(name).Tensors)
            {
                Add(hash, $"adapter {key} {value.Value.dtype} [{string.Join(", ", value.Value.shape)}]");
                hash.AppendData(value.Value.detach().cpu().contiguous().bytes);
            }
        }

        internal override IDisposable Use(ITrainable policy, out CausalLM model)
        {
            model = (CausalLM)policy.Module;
            return new Both(((PeftModel)policy).WithAdapters(name), no_grad());
        }

        internal override IEnumerable<string> Errors(ITrainable policy)
        {
            if (policy is not PeftModel peft || !peft.Adapters.ContainsKey(name)) yield return $"The reference is the adapter '{name}', but the policy has no adapter of that name: add it first.";
            else if (peft.Active.Contains(name)) yield return $"The reference is the adapter '{name}', but that adapter is being trained: use a copy of it (AddReference).";
        }
    }

    private sealed class MovingAdapter(string name, int every, double mix) : OtherAdapter(name)
    {
        private readonly string copy = name;

        internal override IEnumerable<string> Errors(ITrainable policy)
        {
            var errors = base.Errors(policy).ToList();
            if (errors.Count == 0 && Pairs(policy) is null) errors.Add($"The reference '{copy}' follows the policy, but is no copy of its only active adapter: make it by AddReference(\"{copy}\").");
            return errors;
        }

        internal override void Move(ITrainable policy, int step)
        {
            if (step % every != 0) return;
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            foreach (var (_, from, to) in Pairs(policy)!) to.mul_(Constant(1 - mix)).add_(from, Constant(mix));
        }

        internal override IEnumerable<KeyValuePair<string, Tensor>> Moving(ITrainable policy) => (Pairs(policy) ?? []).Select(each => KeyValuePair.Create(each.Key, each.Copy));

        // The trained tensors of the policy's adapter, each once, and those of the copy; null if the adapters do not correspond.
        private List<(string Key, Tensor Own, Tensor Copy)>? Pairs(ITrainable policy)
        {
            if (policy is not PeftModel { Active: [var only] } peft) return null;
            var (own, copies) = (peft.Find(only).Tensors.ToList(), peft.Find(copy).Tensors.ToList());
            if (!own.Select(Describe).SequenceEqual(copies.Select(Describe))) return null;
            return [.. own.Zip(copies).Where(pair => pair.First.Tensor.IsTrainable).DistinctBy(pair => pair.Second.Tensor.Value, ReferenceEqualityComparer.Instance).Select(pair => (pair.Second.Key, (Tensor)pair.First.Tensor.Value, (Tensor)pair.Second.Tensor.Value))];

            static string Describe((string Key, AdapterTensor Tensor) each) => $"{each.Key} {each.Tensor.Value.dtype} [{string.Join(", ", each.Tensor.Value.shape)}]";
        }
    }

    private sealed class OtherModel(CausalLM other) : Reference
    {
        internal override void Identify(ITrainable policy, IncrementalHash hash) => Add(hash, $"model {other.Config.Source}");

        internal override IDisposable Use(ITrainable policy, out CausalLM model)
        {
            model = other;
            if (other.training) other.eval();
            return no_grad();
        }

        internal override IEnumerable<string> Errors(ITrainable policy)
        {
            if (ReferenceEquals(policy.Module, other)) yield return "The reference model is the policy itself: use Reference.Base for the policy without its adapters.";
            else if (((CausalLM)policy.Module).Head.Storage.Shape[0] is var rows && other.Head.Storage.Shape[0] != rows) yield return $"The reference model has a vocabulary of {other.Head.Storage.Shape[0]} tokens, but the policy has {rows}.";
        }
    }
}
