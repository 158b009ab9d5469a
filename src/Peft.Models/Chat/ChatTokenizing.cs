using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Peft.Models;

/// <summary>Conversations as tokens.</summary>
public static class ChatTokenizing
{
    /// <summary>Encodes a conversation with the tokenizer's chat template. Special tokens are those that the template writes.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the prompt for an answer, and further variables.</param>
    /// <param name="encoding">Truncation and padding.</param>
    /// <param name="cancellationToken">Stops a rendering that takes long.</param>
    /// <exception cref="ChatTemplateException">There is no template, it fails, or it refuses the conversation.</exception>
    [OverloadResolutionPriority(1)]   // a list in brackets could be JSON, too
    public static ChatEncoding ApplyChatTemplate(this Tokenizer tokenizer, IEnumerable<ChatMessage> messages, ChatTemplateOptions? options = null, EncodeOptions? encoding = null, CancellationToken cancellationToken = default)
        => Encode(tokenizer, Template(tokenizer).Rendering(messages, options, tokenizer.SpecialTokens, cancellationToken), encoding);

    /// <summary>Encodes a conversation that is at hand as JSON.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the prompt for an answer, and further variables.</param>
    /// <param name="encoding">Truncation and padding.</param>
    /// <param name="cancellationToken">Stops a rendering that takes long.</param>
    /// <exception cref="ChatTemplateException">There is no template, it fails, or it refuses the conversation.</exception>
    public static ChatEncoding ApplyChatTemplate(this Tokenizer tokenizer, JsonArray messages, ChatTemplateOptions? options = null, EncodeOptions? encoding = null, CancellationToken cancellationToken = default)
        => Encode(tokenizer, Template(tokenizer).Rendering(messages, options, tokenizer.SpecialTokens, cancellationToken), encoding);

    static ChatEncoding Encode(Tokenizer tokenizer, ChatRendering rendering, EncodeOptions? encoding)
        => new(rendering, tokenizer.Encode(rendering.Text, (encoding ?? new()) with { AddSpecialTokens = false }));

    /// <summary>The tokenizer's template, which must be there.</summary>
    internal static ChatTemplate Template(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.ChatTemplate ?? throw new ChatTemplateException(
            $"The tokenizer has no chat template: its model was not trained on conversations. Set {nameof(Tokenizer)}.{nameof(Tokenizer.ChatTemplate)} to one of your own.");
    }
}
