namespace Peft.Models;

public static partial class TextGeneration
{
    /// <summary>Continues a prompt. Returns the generated text, without special tokens, up to the first stop string.</summary>
    /// <exception cref="ArgumentException">The options are invalid, or ask for several sequences.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static string Generate(
        this LanguageModel model, string prompt, ITokenizer tokenizer, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var settings = Settings(model, options);
        RequireOneSequence(settings);
        return Texts(model, [tokenizer.Encode(prompt)], tokenizer, settings, cancellationToken)[0];
    }

    /// <summary>
    /// Continues prompts as a left-padded batch. Returns the generated text of each, without special tokens, up to the first stop string. With
    /// several sequences per prompt, those of a prompt are adjacent.
    /// </summary>
    /// <exception cref="ArgumentException">A prompt or an option is invalid.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<string> Generate(
        this LanguageModel model, IReadOnlyList<string> prompts, ITokenizer tokenizer, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Texts(model, [.. prompts.Select(prompt => tokenizer.Encode(prompt))], tokenizer, Settings(model, options), cancellationToken);
    }

    private static IReadOnlyList<string> Texts(
        LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, ITokenizer tokenizer, GenerationSettings settings, CancellationToken cancellationToken)
    {
        if (settings.NumBeams > 1)
        {
            var found = Search(model, prompts, settings, settings.StopStrings.Count == 0 ? null : (prompt, tokens) => Written(prompt, tokens).Stopped, cancellationToken);
            return [.. found.SelectMany((best, prompt) => best.Select(each => Written(prompt, each.Tokens).Shown))];
        }
        using var run = new GenerationRun(model);
        using var inside = run.Enter();
        using var session = new GenerationSession(model, prompts, settings);
        var texts = session.Ended.Select((_, row) => New(row / settings.NumReturnSequences)).ToArray();
        var running = new bool[texts.Length];
        Array.Fill(running, true);
        while (session.Step())
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var row = 0; row < texts.Length; row++)
            {
                if (!running[row]) continue;
                texts[row].Push(session.Current[row]);
                session.Ended[row] |= texts[row].Stopped;
                running[row] = !session.Ended[row];
            }
        }
        foreach (var text in texts) text.Flush();
        return [.. texts.Select(text => text.Shown)];

        GrowingText New(int prompt) => GrowingText.After(model, prompts[prompt], tokenizer, settings);

        GrowingText Written(int prompt, IReadOnlyList<int> tokens)
        {
            var text = New(prompt);
            foreach (var token in tokens)
            {
                text.Push(token);
                if (text.Stopped) return text;
            }
            text.Flush();
            return text;
        }
    }
}
