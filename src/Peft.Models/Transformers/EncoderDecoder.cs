using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>An encoder and a decoder that reads its output. They share the token embedding.</summary>
internal sealed class EncoderDecoder : Backbone
{
    private readonly Embedding embedding;
    private readonly Transformer encoder, decoder;

    public EncoderDecoder(TransformerSpec spec, Placement at)
    {
        register_module(spec.Names.Embedding, embedding = new Embedding(spec.VocabularySize, spec.HiddenSize, at.Type, at.EmbeddingDevice));
        register_module(spec.Encoder!.Names.Base, encoder = new Transformer(spec.Encoder, at, embedding));
        register_module(spec.Names.Base, decoder = new Transformer(spec, at, embedding));
    }

    /// <inheritdoc/>
    public override Embedding Embedding => embedding;

    /// <inheritdoc/>
    public override bool CheckpointActivations
    {
        get => decoder.CheckpointActivations;
        set => encoder.CheckpointActivations = decoder.CheckpointActivations = value;
    }

    /// <inheritdoc/>
    public override IDisposable Reorder(IReadOnlyList<int> order, Func<bool> isActive)
        => throw new AdapterOptionsException($"The adapter reorders the layers to [{string.Join(", ", order)}], but an encoder-decoder model has two stacks of layers: omit the order.");

    /// <summary>The encoder's output <c>[batch, source, hidden]</c>.</summary>
    public Tensor Encode(ModelInput input)
    {
        return encoder.call(new ModelInput { InputIds = input.InputIds, Embeddings = input.Embeddings, AttentionMask = input.AttentionMask, VirtualTokens = input.EncoderVirtualTokens, Pass = input.Pass });
    }

    /// <summary>The decoder's output <c>[batch, target, hidden]</c>.</summary>
    public override Tensor forward(ModelInput input)
    {
        if (input.DecoderInputIds is null && input.DecoderEmbeddings is null)
            throw new ArgumentException("An encoder-decoder model needs DecoderInputIds (or DecoderEmbeddings, or labels to shift) in addition to its input.", nameof(input));
        var given = input.EncoderOutput;
        var states = given ?? Encode(input);
        try
        {
            return decoder.Run(
                new ModelInput
                {
                    InputIds = input.DecoderInputIds, Embeddings = input.DecoderEmbeddings, AttentionMask = input.DecoderAttentionMask,
                    Cache = input.Cache, Prefix = input.Prefix, PrefixGates = input.PrefixGates, InAttention = input.InAttention, VirtualTokens = input.VirtualTokens, Pass = input.Pass,
                },
                states, input.AttentionMask);
        }
        finally
        {
            if (given is null) states.Dispose();
        }
    }
}
