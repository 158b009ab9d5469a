using System.Globalization;

namespace Peft;

/// <summary>How many numbers a model has and how many of them are trained.</summary>
/// <param name="Trainable">Numbers that training changes.</param>
/// <param name="All">All numbers, those of the base model included.</param>
public sealed record ParameterCount(long Trainable, long All)
{
    /// <inheritdoc/>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"trainable: {Trainable:N0} || all: {All:N0} || {100.0 * Trainable / Math.Max(1, All):0.####}%");
}

/// <summary>One adapter at one module.</summary>
/// <param name="Path">Path of the module; empty for what comes before the whole model's input.</param>
/// <param name="Adapter">Name of the adapter.</param>
/// <param name="Method">Its method, as <c>peft_type</c>.</param>
/// <param name="IsActive">Whether it takes part in the forward pass.</param>
/// <param name="IsMerged">Whether it is folded into the module's weight at present.</param>
/// <param name="IsTrainable">Whether its tensors take gradients.</param>
/// <param name="Reached">Whether any forward pass has come by the module.</param>
/// <param name="Parameters">Numbers that the adapter has there.</param>
public sealed record LayerStatus(string Path, string Adapter, string Method, bool IsActive, bool IsMerged, bool IsTrainable, bool Reached, long Parameters);

/// <summary>What adapters a model has, for people.</summary>
public static class AdapterReport
{
    /// <summary>Counts the numbers of a model; weights that modules share count once.</summary>
    public static ParameterCount CountParameters(this PeftModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var trainable = model.Trainables.Sum(tensor => tensor.Value.numel());
        var adapters = model.Adapters.Values.SelectMany(adapter => adapter.Tensors).Where(pair => !pair.Tensor.IsShared).Sum(pair => pair.Tensor.Value.numel());
        return new ParameterCount(trainable, adapters + model.Module.parameters().Distinct(ReferenceEqualityComparer.Instance).Cast<TorchSharp.torch.Tensor>().Sum(parameter => parameter.numel()));
    }

    /// <summary>Prints <c>trainable: 12,288 || all: 272,448 || 4.5102%</c>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="output">Where to; the console if null.</param>
    public static void PrintTrainableParameters(this PeftModel model, TextWriter? output = null)
#pragma warning disable RS0030 // printing is what this method is for
        => (output ?? Console.Out).WriteLine(model.CountParameters());
#pragma warning restore RS0030

    /// <summary>One row per module and adapter.</summary>
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
