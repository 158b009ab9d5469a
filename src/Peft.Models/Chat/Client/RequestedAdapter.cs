using TorchSharp;

namespace Peft.Models;

/// <summary>Selects the adapter of a request: the one that its <c>ModelId</c> names, or else the client's.</summary>
internal sealed class RequestedAdapter
{
    private readonly torch.nn.Module model;
    private readonly string? clientAdapter;

    /// <param name="model">The model.</param>
    /// <param name="nameOrPath">The folder or hub id that the model was loaded from.</param>
    /// <param name="clientAdapter">The client's adapter; null for the active adapters.</param>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public RequestedAdapter(torch.nn.Module model, string? nameOrPath, string? clientAdapter)
    {
        (this.model, this.clientAdapter) = (model, clientAdapter);
        if (clientAdapter is not null and not PeftModel.Base) _ = (PeftModel.Of(model) ?? throw new AdapterNotFoundException($"There is no adapter '{clientAdapter}': the model has none.")).Find(clientAdapter);
        Id = clientAdapter is null or PeftModel.Base ? nameOrPath is null ? null : Path.GetFileName(Path.TrimEndingDirectorySeparator(nameOrPath)) : clientAdapter;
    }

    /// <summary>The model id of requests that do not set one.</summary>
    public string? Id { get; }

    /// <summary>The adapter of a request; null for the active adapters.</summary>
    /// <exception cref="ArgumentException">The request names an unknown adapter.</exception>
    public string? Of(string? modelId)
    {
        if (modelId is null || modelId == Id) return clientAdapter;
        if (modelId == PeftModel.Base || PeftModel.Of(model)?.Adapters.ContainsKey(modelId) == true) return modelId;
        var known = PeftModel.Of(model)?.Adapters.Keys.Append(PeftModel.Base) ?? [];
        throw new ArgumentException($"ModelId is '{modelId}', which is not an adapter of this model. Omit it, or name one of: {string.Join(", ", known.Prepend(Id).OfType<string>().Distinct())}.", nameof(modelId));
    }

    /// <summary>Uses an adapter until the result is disposed.</summary>
    /// <exception cref="AdapterNotFoundException">The adapter was deleted.</exception>
    public IDisposable? Use(string? adapter) => adapter is null ? null : PeftModel.Of(model)?.WithAdapters(adapter);
}
