namespace Peft;

/// <summary>The special token of each role, as in <c>tokenizer_config.json</c>; null for none. A token may have several roles.</summary>
public sealed record SpecialTokenRoles
{
    /// <summary>Begins a sequence (<c>bos_token</c>).</summary>
    public string? BeginOfSequence { get; init; }

    /// <summary>Ends a sequence (<c>eos_token</c>).</summary>
    public string? EndOfSequence { get; init; }

    /// <summary>Represents text that the vocabulary lacks (<c>unk_token</c>).</summary>
    public string? Unknown { get; init; }

    /// <summary>Separates two texts (<c>sep_token</c>).</summary>
    public string? Separator { get; init; }

    /// <summary>Pads rows to equal length (<c>pad_token</c>).</summary>
    public string? Padding { get; init; }

    /// <summary>Represents the whole text (<c>cls_token</c>).</summary>
    public string? Classifier { get; init; }

    /// <summary>Replaces a token that is to be predicted (<c>mask_token</c>).</summary>
    public string? Mask { get; init; }

    /// <summary>The roles that are set, by the names of <c>tokenizer_config.json</c>.</summary>
    internal IEnumerable<(string Role, string Token)> Named()
    {
        (string, string?)[] all =
        [
            ("bos_token", BeginOfSequence), ("eos_token", EndOfSequence), ("unk_token", Unknown), ("sep_token", Separator),
            ("pad_token", Padding), ("cls_token", Classifier), ("mask_token", Mask),
        ];
        return all.Where(each => each.Item2 is not null).Select(each => (each.Item1, each.Item2!));
    }
}
