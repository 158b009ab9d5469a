using Peft.Checkpoints;

namespace Peft.Lora;

/// <summary>An expert of X-LoRA: a LoRA adapter in a folder.</summary>
/// <param name="Name">Name of the expert.</param>
/// <param name="Options">Options of its LoRA adapter.</param>
internal sealed record XLoraExpert(string Name, LoraOptions Options)
{
    /// <summary>Reads an expert and passes its factors A <c>[rank, in]</c> and B <c>[out, rank]</c> for each adapted module to a callback.</summary>
    public static XLoraExpert Read(string name, string folder, ModelTree model, Action<Target, Tensor, Tensor> receive)
    {
        if (AdapterConfig.Read(folder) is not LoraOptions options)
            throw new AdapterOptionsException($"{folder} is not a LoRA adapter, and X-LoRA mixes LoRA adapters only: leave expert '{name}' out of Adapters.");
        string[] unsupported =
        [
            .. options.Variants, .. options.UseDora ? [nameof(options.UseDora)] : Array.Empty<string>(), .. options.UseLoraBias ? [nameof(options.UseLoraBias)] : Array.Empty<string>(),
            .. options.Initialization.ReplacesBase ? [$"{nameof(options.Initialization)} '{options.Initialization}'"] : Array.Empty<string>(),
        ];
        if (unsupported.Length > 0) throw new AdapterOptionsException($"Expert '{name}' ({folder}) has {string.Join(", ", unsupported)}, but X-LoRA mixes plain LoRA adapters: save it with SaveAsPlainLora if possible.");

        using var file = AdapterCheckpoint.OpenTensors(folder);
        var unread = file.Tensors.Keys.ToHashSet();
        foreach (var target in model.Targets)
        {
            var (a, b) = (Adapter.KeyOf(target, target.FactorName("lora", "A", ".weight")), Adapter.KeyOf(target, target.FactorName("lora", "B", ".weight")));
            if (!unread.Remove(a) | !unread.Remove(b)) continue;
            var rank = file.Tensors[a].Shape[0];
            if (!target.InputFactorShape(rank).SequenceEqual(file.Tensors[a].Shape) || !target.OutputFactorShape(rank).SequenceEqual(file.Tensors[b].Shape))
                throw new AdapterMismatchException($"Expert '{name}' ({folder}) has factors [{string.Join(", ", file.Tensors[a].Shape)}] and [{string.Join(", ", file.Tensors[b].Shape)}] for {target}: it belongs to another base model.");
            receive(target, file.Read(a, target.Device), file.Read(b, target.Device));
        }
        return unread.Count == 0 ? new(name, options)
            : throw new AdapterMismatchException($"Expert '{name}' ({folder}) has {unread.Count} tensors that are not LoRA factors of a module of this {model.Model.GetType().Name}: {string.Join(", ", unread.Order(StringComparer.Ordinal).Take(3))}. An expert must have been trained on this base model, and must contain nothing but LoRA factors.");
    }
}
