using Microsoft.Extensions.AI;

namespace Peft.Models;

/// <summary>Language models for programs that use Microsoft.Extensions.AI.</summary>
public static class CausalLMChat
{
    /// <summary>The model as a chat client.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="tokenizer">Its tokenizer, with a chat template.</param>
    /// <param name="generation">How to generate where a request does not say.</param>
    /// <param name="template">What the template is told besides the messages.</param>
    /// <param name="toolCalls">How the model writes that it calls tools.</param>
    /// <param name="adapter">The adapter that answers where a request's <c>ModelId</c> names no other; those in effect if null.</param>
    /// <exception cref="ChatTemplateException">The tokenizer has no chat template, or one that cannot be read.</exception>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public static CausalLMChatClient AsChatClient(this CausalLM model, Tokenizer tokenizer, GenerationOptions? generation = null, ChatTemplateOptions? template = null, ToolCallFormat toolCalls = ToolCallFormat.FromTemplate, string? adapter = null)
        => new(model, tokenizer, generation, template, toolCalls, adapter);

    /// <summary>The model's last hidden states, averaged over each text, as embeddings.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="adapter">The adapter that is used where a request's <c>ModelId</c> names no other; those in effect if null.</param>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public static MeanEmbeddingGenerator AsEmbeddingGenerator(this CausalLM model, Tokenizer tokenizer, string? adapter = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(model, model.Backbone.call, tokenizer, model.Device, model.Spec.HiddenSize, new RequestedAdapter(model, model.NameOrPath, adapter));
    }
}
