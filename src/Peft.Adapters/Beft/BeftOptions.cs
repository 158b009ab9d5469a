using System.Text.Json.Serialization;
using Peft.Adapters;

namespace Peft;

/// <summary>
/// BEFT, bias-efficient fine-tuning (2025, arXiv:2509.15974): a trained vector is added to the outputs of chosen modules, the value
/// projections by default. Merges where the modules have a bias of their own.
/// </summary>
[MethodDescription("BEFT", "b + δ", "2025, arXiv:2509.15974")]
[LearningRate(1e-3, SmallModel = 3e-2)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
[SupportedModules(ModuleKinds.All)]
public sealed record BeftOptions() : TargetedOptions("BEFT")
{
    private static readonly Dictionary<string, string[]> Usual = new()
    {
        ["t5"] = ["v"], ["mt5"] = ["v"], ["bert"] = ["value"], ["roberta"] = ["value"], ["deberta-v2"] = ["value_proj"], ["distilbert"] = ["v_lin"],
        ["opt"] = ["v_proj"], ["gptj"] = ["v_proj"], ["gpt_neo"] = ["v_proj"], ["bart"] = ["v_proj"], ["phi"] = ["v_proj"],
        ["llama"] = ["v_proj"], ["mistral"] = ["v_proj"], ["mixtral"] = ["v_proj"], ["gemma"] = ["v_proj"], ["gemma2"] = ["v_proj"],
        ["gemma3_text"] = ["v_proj"], ["qwen2"] = ["v_proj"], ["qwen3"] = ["v_proj"],
    };

    /// <summary>Whether the vectors start at 0, so that the adapter changes nothing; random for tests otherwise.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, Usual);

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new BeftLayer(target, InitWeights);
}
