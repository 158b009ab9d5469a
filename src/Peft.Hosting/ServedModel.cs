using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Peft.Models;
using Peft.Tokenizers;
using TorchSharp;

namespace Peft.Hosting;

/// <summary>The model of a host with its tokenizer, its adapters and the batcher that computes all requests.</summary>
public sealed class ServedModel : IDisposable
{
    internal ServedModel(PeftOptions options, ILoggerFactory? loggers)
    {
        var logger = loggers?.CreateLogger("Peft.Hosting");
        var load = options.Load with { Device = options.Device is { } device ? torch.device(device) : options.Load.Device, Logger = options.Load.Logger ?? logger };
        if (options.Threads is { } threads) torch.set_num_threads(threads);
        (Generation, DefaultAdapter) = (options.Generation, options.DefaultAdapter);
        Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(options.Model));
        Tokenizer = Tokenizer.FromPretrained(options.Model, load);
        if (options.ChatTemplateFile is { } file) Tokenizer.ChatTemplate = ChatTemplate.Parse(File.ReadAllText(file));
        Model = CausalLM.FromPretrained(options.Model, load);
        try
        {
            Peft = new PeftModel(Model);
            foreach (var (name, folder) in options.Adapters) Peft.LoadAdapter(folder, name, logger: logger);
            Batcher = new ContinuousBatcher(Model, options.Batching);
        }
        catch
        {
            Peft?.Dispose();
            Model.Dispose();
            throw;
        }
    }

    /// <summary>The name of the base model for requests: that of its folder.</summary>
    public string Name { get; }

    /// <summary>The model.</summary>
    public CausalLM Model { get; }

    /// <summary>Its tokenizer, with a chat template.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Its adapters. Use <see cref="AdapterManager"/> to change them for requests.</summary>
    public PeftModel Peft { get; }

    /// <summary>Computes the requests.</summary>
    public ContinuousBatcher Batcher { get; }

    /// <summary>Generation options for requests that do not set them.</summary>
    public GenerationOptions Generation { get; }

    /// <summary>The adapter of requests that name none; null for the base model.</summary>
    public string? DefaultAdapter { get; }

    /// <summary>True once it has been disposed.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>The adapter that a request means by the name of a model.</summary>
    /// <param name="model">The base model's name, an adapter, or null for the default.</param>
    /// <returns>The name of an adapter, or <see cref="PeftModel.Base"/>.</returns>
    /// <exception cref="AdapterNotFoundException">There is no such model or adapter.</exception>
    public string Resolve(string? model)
    {
        if (string.IsNullOrEmpty(model)) return DefaultAdapter ?? PeftModel.Base;
        if (model == Name || model == PeftModel.Base) return PeftModel.Base;
        if (Peft.Adapters.ContainsKey(model)) return model;
        throw new AdapterNotFoundException($"There is no model '{model}'. Name one of: {string.Join(", ", Peft.Adapters.Keys.Order(StringComparer.Ordinal).Prepend(Name))}.");
    }

    // A client has no state.
    internal CausalLMChatClient ChatClient(string? model) => Batcher.AsChatClient(Tokenizer, Generation, adapter: Resolve(model));

    internal MeanEmbeddingGenerator EmbeddingGenerator(string? model) => Model.AsEmbeddingGenerator(Tokenizer, Resolve(model));

    /// <summary>Ends all requests, and frees the model.</summary>
    public void Dispose()
    {
        if (IsDisposed) return;
        IsDisposed = true;
        Batcher.Dispose();
        Peft.Dispose();
        Model.Dispose();
    }
}
