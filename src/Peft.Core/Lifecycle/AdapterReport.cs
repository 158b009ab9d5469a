namespace Peft;

/// <summary>Summaries of a model's adapters.</summary>
public static class AdapterReport
{
    /// <summary>Counts the parameters of a model; tied weights count once.</summary>
    public static ParameterCount CountParameters(this PeftModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var trainable = model.Trainables.Sum(tensor => tensor.Value.numel());
        var adapters = model.Adapters.Values.SelectMany(adapter => adapter.Tensors).Where(pair => !pair.Tensor.IsShared).Sum(pair => pair.Tensor.Value.numel());
        return new ParameterCount(trainable, adapters + model.Module.parameters().Distinct(ReferenceEqualityComparer.Instance).Cast<TorchSharp.torch.Tensor>().Sum(parameter => parameter.numel()));
    }

    /// <summary>Prints <c>trainable: 12,288 || all: 272,448 || 4.5102%</c>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="output">The writer; the console if null.</param>
    public static void PrintTrainableParameters(this PeftModel model, TextWriter? output = null)
#pragma warning disable RS0030 // this method prints
        => (output ?? Console.Out).WriteLine(model.CountParameters());
#pragma warning restore RS0030

    /// <summary>Returns the status of the adapters: one row per module and adapter.</summary>
    public static IReadOnlyList<LayerStatus> Status(this PeftModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return [.. from site in model.Sites
                   from adapter in model.Adapters.Values
                   let layers = adapter.At(site.Target)
                   where layers.Length > 0
                   let tensors = layers.SelectMany(layer => layer.Tensors).ToList()
                   let isActive = model.Active.Contains(adapter.Name)
                   select new LayerStatus(site.Target.Path, adapter.Name, adapter.Options.PeftType, isActive, isActive && site.IsMerged,
                       tensors.Any(tensor => tensor.Value.requires_grad), site.Reached, tensors.Sum(tensor => tensor.Value.numel())),
                .. from adapter in model.Adapters.Values
                   where adapter.Prompt is not null
                   let tensors = adapter.Prompt!.Tensors
                   select new LayerStatus("", adapter.Name, adapter.Options.PeftType, model.Active.Contains(adapter.Name), false,
                       tensors.Any(tensor => tensor.Value.requires_grad), true, tensors.Sum(tensor => tensor.Value.numel()))];
    }
}
