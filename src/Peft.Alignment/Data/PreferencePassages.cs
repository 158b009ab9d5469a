namespace Peft;

/// <summary>The prompt of a preference with its two completions, as a row holds them.</summary>
internal readonly record struct PreferencePassages(Passage? Prompt, Passage Chosen, Passage Rejected)
{
    /// <summary>Reads a row with a prompt of its own, or with the prompt as the common beginning of both completions.</summary>
    /// <exception cref="DatasetException">A field is missing or of another format, empty, or both completions are the same.</exception>
    public static PreferencePassages Of(DataRow row)
    {
        var (chosen, rejected) = (row.Passage("chosen"), row.Passage("rejected"));
        foreach (var (name, passage) in new[] { ("chosen", chosen), ("rejected", rejected) })
            if (passage.IsEmpty) throw row.Wrong($"the field \"{name}\" is empty: remove the row, or give the completion");
        if (chosen.IsChat != rejected.IsChat) throw row.Wrong("of chosen and rejected one is text and the other a list of messages: both must be of the same kind");
        if (chosen.Equals(rejected)) throw row.Wrong("chosen and rejected are the same, so that there is no preference to learn: remove the row");
        // Some published data repeats the text of the prompt next to complete conversations.
        var prompt = row.Has("prompt") && row.Passage("prompt") is var given && given.IsChat == chosen.IsChat ? given : null;
        if (prompt is null && row.Has("prompt") && !chosen.IsChat) throw row.Wrong("the prompt is a list of messages, but chosen and rejected are text: all must be of the same kind");
        if (prompt is { IsChat: true, IsEmpty: true }) throw row.Wrong("the prompt has no messages: give it, or put whole conversations into chosen and rejected and leave the prompt out");
        return new(prompt, chosen, rejected);
    }

    /// <summary>The gold completion of a row, without the prompt if that is the common beginning of all.</summary>
    /// <exception cref="DatasetException">The field is missing, empty or of another kind, or does not begin with the prompt.</exception>
    public static Passage Reference(DataRow row, Passage prompt)
    {
        var gold = row.Passage("reference");
        if (gold.IsChat != prompt.IsChat) throw row.Wrong("the reference must be of the same kind as prompt, chosen and rejected: text or messages");
        if (!row.Has("prompt")) gold = gold.Without(prompt) ?? throw row.Wrong("the reference does not begin as chosen and rejected do: add the field \"prompt\"");
        return gold.IsEmpty ? throw row.Wrong("the field \"reference\" is empty: remove the row, or give the gold completion") : gold;
    }

    /// <summary>The same with the prompt extracted, if it is not given.</summary>
    /// <exception cref="DatasetException">The completions do not begin alike.</exception>
    public (Passage Prompt, Passage Chosen, Passage Rejected) WithPrompt(DataRow row)
        => Prompt is { } prompt ? (prompt, Chosen, Rejected)
            : PromptExtraction.HaveCommonBeginning(Chosen, Rejected) ? PromptExtraction.Of(Chosen, Rejected)
            : throw row.Wrong("there is no field \"prompt\", and chosen and rejected have no common beginning from which to take it: add the field");
}
