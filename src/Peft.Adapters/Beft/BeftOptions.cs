namespace Peft;

/// <summary>
/// BEFT, bias-efficient fine-tuning (2025, arXiv:2509.15974): adds a trained vector to the outputs of the target modules, by default the
/// value projections. Mergeable into modules that have a bias.
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

    /// <summary>True to initialize the vectors to 0 (a no-op); false for random values, for tests.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, Usual);

    protected override AdapterLayer CreateLayer(Target target) => new BeftLayer(target, InitWeights);
}
