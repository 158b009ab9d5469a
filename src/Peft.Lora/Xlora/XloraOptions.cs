using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// X-LoRA (Buehler and Buehler 2024, arXiv:2402.07148): trained LoRA adapters, the experts, of which a small classifier mixes for each position and layer
/// what the text asks for. It reads the hidden states of a first pass without experts, so that each pass costs two. The experts stay as they are, unless
/// <see cref="TrainsExperts"/>. Does not merge.
/// </summary>
/// <remarks>
/// The experts are saved in subfolders, by their names, and are read from there before the paths of <see cref="Adapters"/> count. Hugging Face PEFT 0.20
/// leaves out the layers of the classifier that are called like an expert (0, 1, …), often all: they start at random (<see cref="Adapter.Warnings"/>).
/// </remarks>
[MethodDescription("X-LoRA", "W·x + Σ λₑ(x)·sₑ·Bₑ·Aₑ·x, of trained experts e", "Buehler and Buehler 2024, arXiv:2402.07148")]
[LearningRate(1e-3)]
public sealed record XloraOptions : AdapterOptions, ISavesParts
{
    /// <summary>The defaults.</summary>
    public XloraOptions() : base("XLORA") { }

    /// <summary>The folders of the experts by their names, in their order; paths are relative to the working directory.</summary>
    [JsonPropertyName("adapters")] public IReadOnlyDictionary<string, string> Adapters { get; init; } = new Dictionary<string, string>();

    /// <summary>Width of the model's hidden states; the model's own if null.</summary>
    [JsonPropertyName("hidden_size")] public int? HiddenSize { get; init; }

    /// <summary>Linear layers of the classifier.</summary>
    [JsonPropertyName("xlora_depth")] public int Depth { get; init; } = 1;

    /// <summary>Width between them.</summary>
    [JsonPropertyName("xlora_size")] public int Size { get; init; } = 2048;

    /// <summary>Share of the elements between them that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("xlora_dropout_p")] public double Dropout { get; init; } = 0.2;

    /// <summary>Whether each adapted module has a mixture of its own.</summary>
    [JsonPropertyName("layerwise_scalings")] public bool IsLayerwise { get; init; }

    /// <summary>Whether the shares of the experts sum to 1.</summary>
    [JsonPropertyName("enable_softmax")] public bool UseSoftmax { get; init; } = true;

    /// <summary>What the logits are divided by before.</summary>
    [JsonPropertyName("softmax_temperature")] public double Temperature { get; init; } = 1;

    /// <summary>How many experts act at a position, those with the largest shares; all if null.</summary>
    [JsonPropertyName("top_k_lora")] public int? TopExperts { get; init; }

    /// <summary>Whether the shares of those that act go through a softmax (once more), so that they sum to 1.</summary>
    [JsonPropertyName("enable_softmax_topk")] public bool UseTopSoftmax { get; init; }

    /// <summary>Factor of all experts.</summary>
    [JsonPropertyName("global_scaling_weight")] public double GlobalScaling { get; init; } = 1;

    /// <summary>Share of each expert in the first pass.</summary>
    [JsonPropertyName("scaling_pass_value")] public double FirstPassShare { get; init; }

    /// <summary>Whether the experts are trained too.</summary>
    [JsonPropertyName("use_trainable_adapters")] public bool TrainsExperts { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var name in Adapters.Keys.Where(name => !AdapterName.IsValid(name))) yield return $"'{name}' is the name of an expert, which is saved in a folder of that name, but it cannot be that of a folder.";
        if (HiddenSize < 1) yield return $"HiddenSize must be at least 1, but was {HiddenSize}.";
        if (Depth < 1) yield return $"Depth must be at least 1, but was {Depth}.";
        if (Size < 1) yield return $"Size must be at least 1, but was {Size}.";
        if (!(Dropout is >= 0 and < 1)) yield return $"Dropout must be at least 0 and below 1, but was {Dropout}.";
        if (!(Temperature > 0)) yield return $"Temperature must be above 0, but was {Temperature}.";
        if (TopExperts < 1) yield return $"TopExperts must be at least 1, but was {TopExperts}.";
        if (TopExperts > Adapters.Count && Adapters.Count > 0) yield return $"TopExperts is {TopExperts}, but there are {Adapters.Count} experts.";
    }

    /// <inheritdoc/>
    protected override AdapterPlan Plan(ModelTree model) => XloraPlan.For(this, model);

    IEnumerable<SavedPart> ISavesParts.PartsOf(Adapter adapter) => ((XloraMixture)adapter.Shared!).Experts.Select((expert, i)
        => new SavedPart(expert.Name, expert.Options, adapter.Layers.OfType<XloraLayer>().SelectMany(layer => layer.FactorsOf(i)).ToDictionary(pair => pair.Key, pair => pair.Value)));

    AdapterOptions ISavesParts.ResolveParts(string folder) => this with
    {
        Adapters = Adapters.ToDictionary(pair => pair.Key, pair => Path.Combine(folder, pair.Key) is var own && IsExpert(own) ? own : pair.Value),
    };

    // Hugging Face PEFT writes subfolders of these names, too, with parts of the whole model in them, which it does not read itself.
    private static bool IsExpert(string folder)
    {
        if (!File.Exists(Path.Combine(folder, AdapterConfig.FileName))) return false;
        using var file = AdapterCheckpoint.OpenTensors(folder);
        return !file.Tensors.Keys.Any(key => key.StartsWith("base_model.lora_model.", StringComparison.Ordinal));
    }
}
