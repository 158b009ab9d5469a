using Microsoft.Extensions.AI;

namespace Peft.Models;

/// <summary>Adapts language models to Microsoft.Extensions.AI.</summary>
public static class CausalLMChat
{
    /// <summary>Creates a chat client for the model.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="tokenizer">Its tokenizer, with a chat template.</param>
    /// <param name="generation">Generation options for requests that do not set them.</param>
    /// <param name="template">Options of the chat template.</param>
    /// <param name="toolCalls">Format of the model's tool calls.</param>
    /// <param name="adapter">The adapter for requests whose <c>ModelId</c> names no other; null for the active adapters.</param>
    /// <exception cref="ChatTemplateException">The tokenizer has no chat template, or an invalid one.</exception>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public static CausalLMChatClient AsChatClient(this CausalLM model, Tokenizer tokenizer, GenerationOptions? generation = null, ChatTemplateOptions? template = null, ToolCallFormat toolCalls = ToolCallFormat.FromTemplate, string? adapter = null)
        => new(model, tokenizer, generation, template, toolCalls, adapter);

    /// <summary>Creates a chat client whose answers share forward passes with all other requests of the batcher.</summary>
    /// <param name="batcher">Computes the answers. The caller keeps ownership of it.</param>
    /// <param name="tokenizer">The model's tokenizer, with a chat template.</param>
    /// <param name="generation">Generation options for requests that do not set them.</param>
    /// <param name="template">Options of the chat template.</param>
    /// <param name="toolCalls">Format of the model's tool calls.</param>
    /// <param name="adapter">The adapter for requests whose <c>ModelId</c> names no other; null for the active adapters.</param>
    /// <exception cref="ChatTemplateException">The tokenizer has no chat template, or an invalid one.</exception>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public static CausalLMChatClient AsChatClient(this ContinuousBatcher batcher, Tokenizer tokenizer, GenerationOptions? generation = null, ChatTemplateOptions? template = null, ToolCallFormat toolCalls = ToolCallFormat.FromTemplate, string? adapter = null)
    {
        ArgumentNullException.ThrowIfNull(batcher);
        return new(batcher, tokenizer, generation, template, toolCalls, adapter);
    }

    /// <summary>Creates an embedding generator: the mean of the model's last hidden states over the tokens of each text.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="adapter">The adapter for requests whose <c>ModelId</c> names no other; null for the active adapters.</param>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public static MeanEmbeddingGenerator AsEmbeddingGenerator(this CausalLM model, Tokenizer tokenizer, string? adapter = null) => Embeddings(model, tokenizer, adapter);

    /// <inheritdoc cref="AsEmbeddingGenerator(CausalLM, Tokenizer, string)"/>
    public static MeanEmbeddingGenerator AsEmbeddingGenerator(this FeatureExtractor model, Tokenizer tokenizer, string? adapter = null) => Embeddings(model, tokenizer, adapter);

    private static MeanEmbeddingGenerator Embeddings(PretrainedModel model, Tokenizer tokenizer, string? adapter)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(model, model.Backbone.call, tokenizer, model.Device, model.Spec.HiddenSize, new RequestedAdapter(model, model.NameOrPath, adapter));
    }
}
