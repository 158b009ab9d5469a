using TorchSharp;

namespace Peft.Models;

/// <summary>Which of a model's adapters serves a request: the one that its <c>ModelId</c> names, or else the client's own.</summary>
internal sealed class RequestedAdapter
{
    private readonly torch.nn.Module model;
    private readonly string? own;

    /// <param name="model">The model.</param>
    /// <param name="nameOrPath">Where it came from.</param>
    /// <param name="own">The client's adapter; those in effect if null.</param>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public RequestedAdapter(torch.nn.Module model, string? nameOrPath, string? own)
    {
        (this.model, this.own) = (model, own);
        if (own is not null and not PeftModel.Base) _ = (PeftModel.Of(model) ?? throw new AdapterNotFoundException($"There is no adapter '{own}': the model has none.")).Find(own);
        Id = own is null or PeftModel.Base ? nameOrPath is null ? null : Path.GetFileName(Path.TrimEndingDirectorySeparator(nameOrPath)) : own;
    }

    /// <summary>What the client is called where a request names nothing.</summary>
    public string? Id { get; }

    /// <summary>The adapter of a request; null for those in effect.</summary>
    /// <exception cref="ArgumentException">The request names something else.</exception>
    public string? Of(string? modelId)
    {
        if (modelId is null || modelId == Id) return own;
        if (modelId == PeftModel.Base || PeftModel.Of(model)?.Adapters.ContainsKey(modelId) == true) return modelId;
        var known = PeftModel.Of(model)?.Adapters.Keys.Append(PeftModel.Base) ?? [];
        throw new ArgumentException($"ModelId is '{modelId}', which is no adapter of this model. Leave it out, or name one of: {string.Join(", ", known.Prepend(Id).OfType<string>().Distinct())}.", nameof(modelId));
    }

    /// <summary>Uses it until the result is disposed.</summary>
    /// <exception cref="AdapterNotFoundException">It is gone.</exception>
    public IDisposable? Use(string? adapter) => adapter is null ? null : PeftModel.Of(model)?.WithAdapters(adapter);
}
