using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Text embeddings: the mean of a model's last hidden states over the tokens of a text, special tokens included, in float32 and not normalized.
/// Thread-safe: a model computes one batch at a time.
/// </summary>
/// <remarks>The generator does not own the model. Disposing the generator does nothing.</remarks>
public sealed class MeanEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly nn.Module model;
    private readonly Func<ModelInput, Tensor> hiddenStates;
    private readonly Tokenizer tokenizer;
    private readonly Device device;
    private readonly RequestedAdapter adapters;
    private readonly EmbeddingGeneratorMetadata metadata;
    private readonly EncodeOptions encoding;

    /// <param name="model">The model.</param>
    /// <param name="hiddenStates">Computes hidden states <c>[batch, sequence, hidden]</c> from ids and mask <c>[batch, sequence]</c>, on the device.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="size">Width of a hidden state.</param>
    /// <param name="adapters">Selects the adapter of a request.</param>
    internal MeanEmbeddingGenerator(nn.Module model, Func<ModelInput, Tensor> hiddenStates, Tokenizer tokenizer, Device device, int size, RequestedAdapter adapters)
    {
        (this.model, this.hiddenStates, this.tokenizer, this.device, this.adapters) = (model, hiddenStates, tokenizer, device, adapters);
        metadata = new("peft", null, adapters.Id, size);
        encoding = new() { Padding = PaddingStrategy.Longest, PaddingSide = Side.Right, PadId = tokenizer.PadId ?? tokenizer.EndOfSequenceId ?? 0, MaxLength = tokenizer.MaxLength };
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A text has no tokens, or ModelId names no adapter.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        var texts = tokenizer.EncodeBatch(values, encoding);
        if (texts.Count == 0) return [];
        if (texts.Any(text => !text.AttentionMask.Contains(1))) throw new ArgumentException("A text without tokens has no embedding.", nameof(values));
        var adapter = adapters.Of(options?.ModelId);
        using var turn = await ModelGate.EnterAsync(model, cancellationToken).ConfigureAwait(false);
        // Dispose scopes are thread-local, so the whole batch runs on one thread.
        return await Task.Run(() => Generate(texts, adapter), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        return new object[] { metadata, model, tokenizer, this }.FirstOrDefault(serviceType.IsInstanceOfType);
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private GeneratedEmbeddings<Embedding<float>> Generate(IReadOnlyList<TokenEncoding> texts, string? adapter)
    {
        using var own = adapters.Use(adapter);
        using var mode = new EvaluationMode(model);
        using var pass = PeftModel.Of(model)?.Pass();
        return Means(texts);
    }

    private GeneratedEmbeddings<Embedding<float>> Means(IReadOnlyList<TokenEncoding> texts)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var shape = new long[] { texts.Count, texts[0].Length };
        var ids = tensor(texts.SelectMany(text => text.Ids.Select(id => (long)id)).ToArray(), shape, device: device);
        var mask = tensor(texts.SelectMany(text => text.AttentionMask.Select(real => (long)real)).ToArray(), shape, device: device);
        var hidden = hiddenStates(new ModelInput { InputIds = ids, AttentionMask = mask }).to_type(ScalarType.Float32);
        var weights = mask.unsqueeze(-1).to_type(ScalarType.Float32);
        var means = hidden.mul(weights).sum(dim: 1).div(weights.sum(dim: 1)).cpu().contiguous();
        var width = (int)means.size(1);
        var values = means.data<float>().ToArray();
        var tokens = texts.Sum(text => text.AttentionMask.Sum());
        return new(Enumerable.Range(0, texts.Count).Select(row => new Embedding<float>(values.AsMemory(row * width, width)) { ModelId = metadata.DefaultModelId }))
        {
            Usage = new() { InputTokenCount = tokens, TotalTokenCount = tokens },
        };
    }
}
