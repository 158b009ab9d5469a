using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Peft.Tokenizers;

namespace Peft;

/// <summary>Tokenizes conversations.</summary>
public static class ChatTokenizing
{
    /// <summary>Renders a conversation with the tokenizer's chat template and encodes it. The template provides all special tokens.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the generation prompt, and additional variables.</param>
    /// <param name="encoding">Truncation and padding.</param>
    /// <param name="cancellationToken">Cancels the rendering.</param>
    /// <exception cref="ChatTemplateException">There is no template, it fails, or it rejects the conversation.</exception>
    [OverloadResolutionPriority(1)]   // a collection expression also converts to a JsonArray
    public static ChatEncoding ApplyChatTemplate(this Tokenizer tokenizer, IEnumerable<ChatMessage> messages, ChatTemplateOptions? options = null, EncodeOptions? encoding = null, CancellationToken cancellationToken = default)
        => Encode(tokenizer, Template(tokenizer).Rendering(messages, options, tokenizer.SpecialTokens, cancellationToken), encoding);

    /// <summary>Renders a conversation in JSON with the tokenizer's chat template and encodes it.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the generation prompt, and additional variables.</param>
    /// <param name="encoding">Truncation and padding.</param>
    /// <param name="cancellationToken">Cancels the rendering.</param>
    /// <exception cref="ChatTemplateException">There is no template, it fails, or it rejects the conversation.</exception>
    public static ChatEncoding ApplyChatTemplate(this Tokenizer tokenizer, JsonArray messages, ChatTemplateOptions? options = null, EncodeOptions? encoding = null, CancellationToken cancellationToken = default)
        => Encode(tokenizer, Template(tokenizer).Rendering(messages, options, tokenizer.SpecialTokens, cancellationToken), encoding);

    private static ChatEncoding Encode(Tokenizer tokenizer, ChatRendering rendering, EncodeOptions? encoding)
        => new(rendering, tokenizer.Encode(rendering.Text, (encoding ?? new()) with { AddSpecialTokens = false }));

    /// <summary>The tokenizer's template; throws if there is none.</summary>
    internal static ChatTemplate Template(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.ChatTemplate ?? throw new ChatTemplateException(
            $"The tokenizer has no chat template: its model was not trained on conversations. Set {nameof(Tokenizer)}.{nameof(Tokenizer.ChatTemplate)} to add one.");
    }
}
