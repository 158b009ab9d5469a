namespace Peft;

/// <summary>
/// X-LoRA (Buehler and Buehler 2024, arXiv:2402.07148): a mixture of trained LoRA adapters, the experts. A small classifier computes the mixture for each
/// position and layer from the hidden states of a first pass without experts, so each forward pass costs two. The experts are frozen unless
/// <see cref="TrainsExperts"/> is set. Not mergeable.
/// </summary>
/// <remarks>
/// The experts are saved in subfolders named after them. On load, these subfolders take precedence over the paths in <see cref="Adapters"/>. Hugging Face
/// PEFT 0.20 does not save classifier layers whose index is also the name of an expert (0, 1, …), often all of them. Such layers are initialized randomly,
/// with a warning in <see cref="Adapter.Warnings"/>.
/// </remarks>
[MethodDescription("X-LoRA", "W·x + Σ λₑ(x)·sₑ·Bₑ·Aₑ·x over trained experts e", "Buehler and Buehler 2024, arXiv:2402.07148")]
[LearningRate(1e-3)]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Embedding)]
public sealed record XLoraOptions : AdapterOptions, ISavesParts
{
    /// <summary>The defaults.</summary>
    public XLoraOptions() : base("XLORA") { }

    /// <summary>Folders of the experts by name, in order. Relative paths are relative to the working directory.</summary>
    [JsonPropertyName("adapters")] public IReadOnlyDictionary<string, string> Adapters { get; init; } = new Dictionary<string, string>();

    /// <summary>Size of the model's hidden states. If null, taken from the model.</summary>
    [JsonPropertyName("hidden_size"), AtLeast(1)] public int? HiddenSize { get; init; }

    /// <summary>Number of linear layers of the classifier.</summary>
    [JsonPropertyName("xlora_depth"), AtLeast(1)] public int Depth { get; init; } = 1;

    /// <summary>Width of the classifier's hidden layers.</summary>
    [JsonPropertyName("xlora_size"), AtLeast(1)] public int Size { get; init; } = 2048;

    /// <summary>Dropout probability between the classifier's layers during training, in [0, 1).</summary>
    [JsonPropertyName("xlora_dropout_p"), Probability] public double Dropout { get; init; } = 0.2;

    /// <summary>True to compute a separate mixture for each adapted module.</summary>
    [JsonPropertyName("layerwise_scalings")] public bool IsLayerwise { get; init; }

    /// <summary>True to apply a softmax, so that the mixture weights sum to 1.</summary>
    [JsonPropertyName("enable_softmax")] public bool UseSoftmax { get; init; } = true;

    /// <summary>Softmax temperature, by which the logits are divided.</summary>
    [JsonPropertyName("softmax_temperature"), Above(0)] public double Temperature { get; init; } = 1;

    /// <summary>Number of experts that are active at each position, those with the largest mixture weights; all if null.</summary>
    [JsonPropertyName("top_k_lora"), AtLeast(1)] public int? TopExperts { get; init; }

    /// <summary>True to apply a softmax to the mixture weights of the selected experts (a second one with <see cref="UseSoftmax"/>), so that they sum to 1.</summary>
    [JsonPropertyName("enable_softmax_topk")] public bool UseTopSoftmax { get; init; }

    /// <summary>Factor on all experts.</summary>
    [JsonPropertyName("global_scaling_weight")] public double GlobalScaling { get; init; } = 1;

    /// <summary>Mixture weight of each expert in the first pass.</summary>
    [JsonPropertyName("scaling_pass_value")] public double FirstPassWeight { get; init; }

    /// <summary>True to train the experts too.</summary>
    [JsonPropertyName("use_trainable_adapters")] public bool TrainsExperts { get; init; }

    protected override IEnumerable<string> Errors()
    {
        foreach (var name in Adapters.Keys.Where(name => !AdapterName.IsValid(name))) yield return $"'{name}' cannot be the name of an expert: an expert is saved in a folder of its name, and this is not a valid folder name.";
        if (TopExperts > Adapters.Count && Adapters.Count > 0) yield return $"TopExperts is {TopExperts}, but there are {Adapters.Count} experts.";
    }

    protected override AdapterPlan Plan(ModelTree model) => XLoraPlan.For(this, model);

    IEnumerable<SavedPart> ISavesParts.PartsOf(Adapter adapter) => ((XLoraMixture)adapter.Shared!).Experts.Select((expert, i)
        => new SavedPart(expert.Name, expert.Options, adapter.Layers.OfType<XLoraLayer>().SelectMany(layer => layer.FactorsOf(i)).ToDictionary(pair => pair.Key, pair => pair.Value)));

    AdapterOptions ISavesParts.ResolveParts(string folder) => this with
    {
        Adapters = Adapters.ToDictionary(pair => pair.Key, pair => Path.Combine(folder, pair.Key) is var own && IsExpert(own) ? own : pair.Value),
    };

    // Hugging Face PEFT also writes subfolders of these names, but with tensors of the complete model, which it does not read itself.
    private static bool IsExpert(string folder)
    {
        if (!File.Exists(Path.Combine(folder, AdapterConfig.FileName))) return false;
        using var file = AdapterCheckpoint.OpenTensors(folder);
        return !file.Tensors.Keys.Any(key => key.StartsWith("base_model.lora_model.", StringComparison.Ordinal));
    }
}
