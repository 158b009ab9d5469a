namespace Peft.Lora;

/// <summary>Builds the layers of an X-LoRA adapter: one at each module that an expert adapts, and their shared classifier.</summary>
internal static class XLoraPlan
{
    public static AdapterPlan For(XLoraOptions options, ModelTree model)
    {
        if (options.Adapters.Count == 0) throw new TargetNotFoundException("X-LoRA adapts the modules that its experts adapt, but Adapters is empty: set it to the folders of trained LoRA adapters.");
        if (model.Model is not IPromptedModel { PromptShape: { SubmoduleCount: 1 } shape })
            throw new AdapterOptionsException($"X-LoRA reads the last hidden states of a pretrained transformer with a single stack of layers, which {model.Model.GetType().Name} is not. Use a single LoRA, or several with {nameof(PeftModel.Rows)}.");
        if (options.HiddenSize is { } size && size != shape.HiddenSize)
            throw new AdapterOptionsException($"HiddenSize is {size}, but that of this model is {shape.HiddenSize}: the adapter was made for another base model. Leave it out to use the model's.");

        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var factors = new Dictionary<Target, List<(int Expert, Tensor A, Tensor B)>>();
        var experts = options.Adapters.Select((pair, i) => XLoraExpert.Read(pair.Key, pair.Value, model, (target, a, b) =>
        {
            if (!factors.TryGetValue(target, out var list)) factors.Add(target, list = []);
            list.Add((i, a, b));
        })).ToList();
        // The classifier's outputs follow the order of the modules in the model.
        var targets = model.Targets.Where(factors.ContainsKey).ToList();
        SupportedModulesAttribute.Require(options, targets);
        var mixture = new XLoraMixture(options, experts, model, targets);
        return new AdapterPlan(options with { HiddenSize = shape.HiddenSize }, [.. targets.Select((target, i) => new XLoraLayer(target, options, mixture, i, factors[target]))], mixture);
    }
}
