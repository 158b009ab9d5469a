using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>The LoRA adapters of a model that an Arrow router mixes.</summary>
internal sealed class ArrowExperts
{
    private readonly ArrowOptions options;
    private readonly List<Dictionary<Target, LoraLayer>> experts, general;

    public ArrowExperts(LoraOptions router, ModelTree model)
    {
        options = router.Arrow!;
        var peft = PeftModel.Of(model.Model) ?? throw new PeftException("An Arrow router needs a model that already has its experts: add them first, or use ApplyArrow.");
        experts = [.. options.Experts!.Select(name => LayersOf(peft, name))];
        general = options.SubtractsGeneral ? [.. options.General!.Select(name => LayersOf(peft, name))] : [];
        var names = options.Experts!.Concat(options.SubtractsGeneral ? options.General! : []).ToList();
        foreach (var (name, layers) in names.Zip(experts.Concat(general)))
        {
            if (!layers.Keys.ToHashSet().SetEquals(experts[0].Keys)) throw new AdapterOptionsException($"The adapters '{names[0]}' and '{name}' adapt different modules, so Arrow cannot choose between them: leave one out.");
            if (layers.FirstOrDefault(pair => pair.Value.Rank != router.Rank) is { Key: { } target, Value: { } odd })
                throw new AdapterOptionsException($"Adapter '{name}' has rank {odd.Rank} at {target.Path}, but the router has rank {router.Rank}. All experts must have the router's rank.");
        }
    }

    /// <summary>The router's layer at a module.</summary>
    public ArrowLayer At(Target target, LoraOptions router)
    {
        if (!experts[0].ContainsKey(target)) throw new AdapterOptionsException($"The experts do not adapt {target.Path}: leave it out of TargetModules.");
        return new(target, router, [.. experts.Select(layers => layers[target])], [.. general.Select(layers => layers[target])]);
    }

    private static Dictionary<Target, LoraLayer> LayersOf(PeftModel model, string name)
    {
        var options = LoraCombining.LoraOf(model, name);
        string[] unsupported =
        [
            .. options.Variants, .. options.UseDora ? [nameof(options.UseDora)] : Array.Empty<string>(), .. options.UseLoraBias ? [nameof(options.UseLoraBias)] : Array.Empty<string>(),
            .. options.Initialization.ReplacesBase ? [$"{nameof(options.Initialization)} '{options.Initialization}'"] : Array.Empty<string>(),
        ];
        if (unsupported.Length > 0) throw new AdapterOptionsException($"Adapter '{name}' has {string.Join(", ", unsupported)}, but Arrow mixes plain LoRA adapters: save it with SaveAsPlainLora if possible.");
        if (model.Find(name).Layers.FirstOrDefault(layer => layer.GetType() != typeof(LoraLayer)) is { } other)
            throw new AdapterOptionsException($"Adapter '{name}' has more than LoRA factors at {other.Target}, but Arrow mixes only LoRA factors: use an adapter without biases, fully trained modules and trained tokens.");
        return LoraCombining.LayersOf(model, name);
    }
}
