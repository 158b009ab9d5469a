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
    /// <exception cref="ChatTemplateException">The tokenizer has no chat template, or one that cannot be read.</exception>
    public static CausalLMChatClient AsChatClient(this CausalLM model, Tokenizer tokenizer, GenerationOptions? generation = null, ChatTemplateOptions? template = null, ToolCallFormat toolCalls = ToolCallFormat.FromTemplate)
        => new(model, tokenizer, generation, template, toolCalls);

    /// <summary>The model's last hidden states, averaged over each text, as embeddings.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    public static MeanEmbeddingGenerator AsEmbeddingGenerator(this CausalLM model, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var name = model.NameOrPath is { } path ? Path.GetFileName(Path.TrimEndingDirectorySeparator(path)) : null;
        return new(model, model.Backbone.call, tokenizer, model.Device, new("peft", null, name, model.Spec.HiddenSize));
    }
}
