using System.Runtime.CompilerServices;
using Peft.Models;

namespace Peft.Hosting;

/// <summary>Continues texts, without a chat template.</summary>
public sealed class TextCompleter
{
    private readonly ServedModel served;

    internal TextCompleter(ServedModel served) => this.served = served;

    /// <summary>Continues a text, streamed. The request is submitted when the first part is read.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="options">Generation options; null for those of the host. Its stop strings are left out of the text.</param>
    /// <param name="model">The base model's name, an adapter, or null for the default.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <exception cref="AdapterNotFoundException">There is no such model or adapter.</exception>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    /// <exception cref="RequestTooLargeException">The request would not fit even alone.</exception>
    public IAsyncEnumerable<TextCompletion> CompleteAsync(string prompt, GenerationOptions? options = null, string? model = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return Complete([.. served.Tokenizer.Encode(prompt)], options ?? served.Generation, served.Resolve(model), cancellationToken);
    }

    private async IAsyncEnumerable<TextCompletion> Complete(IReadOnlyList<int> prompt, GenerationOptions options, string adapter, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var settings = GenerationSettings.Resolve(options, served.Model.GenerationDefaults, served.Model.Config, served.Model.Spec.VocabularySize);
        var text = new AnswerText(served.Tokenizer.CreateStreamingDecoder(), settings.StopStrings);
        var (count, last) = (0, -1);
        await foreach (var token in served.Batcher.GenerateTokensAsync(prompt, options with { StopStrings = [] }, adapter, cancellationToken).ConfigureAwait(false))
        {
            (count, last) = (count + 1, token);
            if (text.Push(token) is { Length: > 0 } piece) yield return new(piece, prompt.Count, count);
            if (text.Stopped) break;
        }
        yield return new(text.Flush(), prompt.Count, count, text.Stopped || settings.EndTokenIds.Contains(last) ? "stop" : "length");
    }
}
