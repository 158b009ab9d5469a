namespace Peft.Models;

/// <summary>A conversation as a model reads it.</summary>
public sealed class ChatEncoding
{
    readonly ChatRendering rendering;
    readonly Lazy<IReadOnlyList<bool>> mask;

    internal ChatEncoding(ChatRendering rendering, TokenEncoding encoding)
    {
        (this.rendering, Encoding) = (rendering, encoding);
        mask = new(Mask);
    }

    /// <summary>What the template made, and can tell of itself.</summary>
    internal ChatRendering Rendering => rendering;

    /// <summary>The text that the template made.</summary>
    public string Text => rendering.Text;

    /// <summary>The tokens, their offsets in the text, and padding if asked for.</summary>
    public TokenEncoding Encoding { get; }

    /// <summary>Token ids (<c>input_ids</c>).</summary>
    public IReadOnlyList<int> Ids => Encoding.Ids;

    /// <summary>
    /// Whether each token is the assistant's: what the template's generation blocks hold; in a template without them, what a message of the assistant
    /// adds to the text that asks for it, the token that ends the message included.
    /// </summary>
    /// <exception cref="ChatTemplateException">The template has no generation blocks, and renders a message in another way once more follow.</exception>
    public IReadOnlyList<bool> AssistantMask => mask.Value;

    /// <summary>Labels for training: the ids of the assistant's tokens, and <see cref="Batch.IgnoredLabel"/> elsewhere.</summary>
    /// <exception cref="ChatTemplateException">As of <see cref="AssistantMask"/>.</exception>
    public IReadOnlyList<long> Labels => [.. Ids.Zip(AssistantMask, (id, learned) => learned ? id : Batch.IgnoredLabel)];

    bool[] Mask()
    {
        var result = new bool[Ids.Count];
        // Offsets count code points; what is added has none.
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

    int CodePoints(int index) => Jinja.PythonText.Length(Text.AsSpan(0, index));
}
