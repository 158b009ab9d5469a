using static TorchSharp.torch;

namespace Peft;

/// <summary>Frozen copies of adapters, as references.</summary>
public static class ReferenceExtensions
{
    /// <summary>Adds a frozen copy of an adapter, inactive: the policy as it is now, for <see cref="Reference.Adapter"/>. The base weights are shared.</summary>
    /// <param name="model">The model.</param>
    /// <param name="name">Name of the copy.</param>
    /// <param name="of">The adapter to copy; the only active one if null.</param>
    /// <exception cref="PeftException">Several adapters are active, or none, and none is named; or the adapter's tensors have changed their shapes since it was added. The model is unchanged.</exception>
    public static Reference AddReference(this PeftModel model, string name = "reference", string? of = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        if ((of ?? (model.Active is [var only] ? only : null)) is not { } source)
            throw new PeftException($"{model.Active.Count} adapters are active, but a reference is a copy of one: name it.");
        var original = model.Find(source);
        model.Add(name, original.Options);
        var (copies, own) = (model.Find(name).Tensors.ToList(), original.Tensors.ToList());
        if (!copies.Select(Describe).SequenceEqual(own.Select(Describe)))
        {
            model.Delete(name);
            throw new PeftException($"The adapter '{source}' cannot be copied, since its tensors have changed since it was added: save it, and load it a second time under the name '{name}'.");
        }
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (copy, from) in copies.Zip(own)) copy.Tensor.Value.copy_(from.Tensor.Value);
        return Reference.Adapter(name);

        static string Describe((string Key, AdapterTensor Tensor) each) => $"{each.Key} [{string.Join(", ", each.Tensor.Value.shape)}]";
    }
}
