using Peft.Tokenizers;
using Peft.Tokenizers.Jinja;

namespace Peft;

/// <summary>A conversation, rendered and tokenized.</summary>
public sealed class ChatEncoding
{
    // As in transformers: the loss ignores positions with this label.
    private const long IgnoredLabel = -100;

    private readonly ChatRendering rendering;
    private readonly Lazy<IReadOnlyList<bool>> mask;

    internal ChatEncoding(ChatRendering rendering, TokenEncoding encoding)
    {
        (this.rendering, Encoding) = (rendering, encoding);
        mask = new(Mask);
    }

    /// <summary>The rendered conversation.</summary>
    internal ChatRendering Rendering => rendering;

    /// <summary>The rendered text.</summary>
    public string Text => rendering.Text;

    /// <summary>The tokens with their offsets in the text, and padding if requested.</summary>
    public TokenEncoding Encoding { get; }

    /// <summary>Token ids (<c>input_ids</c>).</summary>
    public IReadOnlyList<int> Ids => Encoding.Ids;

    /// <summary>
    /// True for each token of the assistant: those in the template's generation blocks. For a template without these, the tokens that an assistant message
    /// adds after the generation prompt, including the token that ends the message.
    /// </summary>
    /// <exception cref="ChatTemplateException">The template has no generation blocks, and its rendering of a message depends on the messages that follow.</exception>
    public IReadOnlyList<bool> AssistantMask => mask.Value;

    /// <summary>Labels for training: the ids of the assistant's tokens, and −100 elsewhere, as in transformers.</summary>
    /// <exception cref="ChatTemplateException">See <see cref="AssistantMask"/>.</exception>
    public IReadOnlyList<long> Labels => [.. Ids.Zip(AssistantMask, (id, learned) => learned ? id : IgnoredLabel)];

    private bool[] Mask()
    {
        var result = new bool[Ids.Count];
        // Offsets count code points. Added tokens such as padding have empty offsets.
        foreach (var (start, end) in rendering.AssistantSpans())
        {
            var (first, last) = (CodePoints(start), CodePoints(end));
            for (var i = 0; i < result.Length; i++)
            {
                var (from, to) = Encoding.Offsets[i];
                result[i] |= from < to && from < last && to > first && !(Encoding.AttentionMask[i] == 0);
            }
        }
        return result;
    }

    private int CodePoints(int index) => PythonText.Length(Text.AsSpan(0, index));
}
