using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Peft.Models;

public static partial class TextGeneration
{
    /// <summary>Continues a prompt and streams the new tokens.</summary>
    /// <exception cref="ArgumentException">The prompt or the options are invalid, or the options ask for a beam search, which cannot be streamed.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IEnumerable<int> GenerateTokens(
        this LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        return Tokens(model, prompt, WithoutStopStrings(Streamable(Settings(model, options))), cancellationToken);
    }

    /// <summary>Continues a prompt and streams the generated text in pieces, without special tokens, up to the first stop string.</summary>
    /// <exception cref="ArgumentException">The options are invalid, or ask for a beam search, which cannot be streamed.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IEnumerable<string> GenerateText(
        this LanguageModel model, string prompt, ITokenizer tokenizer, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var ids = tokenizer.Encode(prompt);
        var settings = Streamable(Settings(model, options));
        return Pieces(Tokens(model, ids, settings, cancellationToken), GrowingText.After(model, ids, tokenizer, settings));
    }

    /// <summary>Like <see cref="GenerateTokens"/>, but runs on a separate thread.</summary>
    public static IAsyncEnumerable<int> GenerateTokensAsync(
        this LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        return TokensAsync(model, prompt, options, PeftModel.Of(model)?.CurrentScope, cancellationToken);
    }

    /// <summary>Like <see cref="GenerateText"/>, but runs on a separate thread.</summary>
    public static IAsyncEnumerable<string> GenerateTextAsync(
        this LanguageModel model, string prompt, ITokenizer tokenizer, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var (settings, scope) = (Streamable(Settings(model, options)), PeftModel.Of(model)?.CurrentScope);
        return Stream(
            token =>
            {
                var ids = tokenizer.Encode(prompt);
                return Pieces(Tokens(model, ids, settings, scope, token), GrowingText.After(model, ids, tokenizer, settings));
            },
            cancellationToken);
    }

    /// <summary>Streams tokens from a separate thread, with the adapters of a scope.</summary>
    internal static IAsyncEnumerable<int> TokensAsync(
        LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions? options, PassScope? scope, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var settings = WithoutStopStrings(Streamable(Settings(model, options)));
        return Stream(token => Tokens(model, prompt, settings, scope, token), cancellationToken);
    }

    // An iterator may be enumerated elsewhere, but the adapters are those active at the call.
    private static IEnumerable<int> Tokens(LanguageModel model, IReadOnlyList<int> prompt, GenerationSettings settings, CancellationToken cancellationToken)
        => Tokens(model, prompt, settings, PeftModel.Of(model)?.CurrentScope, cancellationToken);

    /// <summary>Computes the tokens one at a time on the caller's thread, with the adapters of a scope.</summary>
    internal static IEnumerable<int> Tokens(LanguageModel model, IReadOnlyList<int> prompt, GenerationSettings settings, PassScope? scope, CancellationToken cancellationToken)
    {
        using var run = new GenerationRun(model, scope);
        using var session = Begin();
        while (Step())
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return session.Current[0];
        }

        // Between two tokens the caller's code runs on this thread.
        GenerationSession Begin()
        {
            using var inside = run.Enter();
            return new GenerationSession(model, [prompt], settings);
        }

        bool Step()
        {
            using var inside = run.Enter();
            return session.Step();
        }
    }

    private static IEnumerable<string> Pieces(IEnumerable<int> tokens, GrowingText text)
    {
        foreach (var token in tokens)
        {
            if (text.Push(token) is { Length: > 0 } piece) yield return piece;
            if (text.Stopped) yield break;
        }
        if (text.Flush() is { Length: > 0 } rest) yield return rest;
    }

    /// <summary>The settings of a request whose tokens are streamed.</summary>
    /// <exception cref="ArgumentException">The options are invalid, or cannot be streamed.</exception>
    internal static GenerationSettings StreamSettings(LanguageModel model, GenerationOptions? options) => WithoutStopStrings(Streamable(Settings(model, options)));

    private static GenerationSettings Streamable(GenerationSettings settings)
    {
        RequireOneSequence(settings);
        if (settings.NumBeams > 1)
            throw new ArgumentException($"NumBeams is {settings.NumBeams}, but beam search determines its tokens only at the end and cannot be streamed: call Generate, or set NumBeams to 1.");
        return settings;
    }

    private static async IAsyncEnumerable<T> Stream<T>(
        Func<CancellationToken, IEnumerable<T>> produce, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // One thread for the whole run, because dispose scopes and autograd modes are thread-local.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var channel = Channel.CreateUnbounded<T>(new() { SingleReader = true, SingleWriter = true });
        var work = Task.Factory.StartNew(
            () =>
            {
                try
                {
                    foreach (var item in produce(stop.Token)) channel.Writer.TryWrite(item);
                    channel.Writer.Complete();
                }
                catch (Exception exception)
                {
                    channel.Writer.Complete(exception);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await foreach (var item in channel.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                // The producer may be ahead of the reader: after a cancellation no more items are returned.
                cancellationToken.ThrowIfCancellationRequested();
                yield return item;
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
        }
    }
}
