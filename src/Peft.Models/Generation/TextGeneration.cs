using System.Runtime.CompilerServices;
using System.Threading.Channels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Generation with a language model: the likeliest or a drawn token at a time, with a key/value cache. A decoder continues its prompt; an
/// encoder-decoder model reads it, once, and writes another text.
/// </summary>
public static class TextGeneration
{
    /// <summary>Continues a prompt; returns the new tokens, the end-of-sequence token included.</summary>
    /// <exception cref="ArgumentException">The prompt or the options are wrong.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    [OverloadResolutionPriority(1)]   // an int[] could be a tensor, too
    public static IReadOnlyList<int> Generate(
        this LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
        => [.. model.GenerateTokens(prompt, options, cancellationToken)];

    /// <summary>Continues prompts of any lengths together, padded on the left; returns each one's new tokens.</summary>
    /// <exception cref="ArgumentException">A prompt or the options are wrong.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<IReadOnlyList<int>> Generate(
        this LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        using var mode = new EvaluationMode(model);
        using var session = new GenerationSession(model, prompts, Settings(model, options));
        var results = prompts.Select(_ => new List<int>()).ToArray();
        var running = new bool[results.Length];
        Array.Fill(running, true);
        while (session.Step())
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var row = 0; row < results.Length; row++)
                if (running[row])
                {
                    results[row].Add(session.Current[row]);
                    running[row] = !session.Ended[row];
                }
        }
        return results;
    }

    /// <summary>
    /// Continues token ids <c>[batch, sequence]</c>, without padding; returns <c>[batch, sequence + new]</c>, ended rows padded. From an
    /// encoder-decoder model <c>[batch, 1 + new]</c>, the start token and what it wrote.
    /// </summary>
    /// <exception cref="ArgumentException">The options are wrong.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Tensor Generate(this LanguageModel model, Tensor inputIds, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inputIds);
        var (batch, length) = ((int)inputIds.shape[0], (int)inputIds.shape[1]);
        using var local = inputIds.to(ScalarType.Int64).cpu().contiguous();
        var ids = local.data<long>().ToArray();
        var prompts = Enumerable.Range(0, batch).Select(row => (IReadOnlyList<int>)[.. ids.Skip(row * length).Take(length).Select(id => (int)id)]).ToArray();
        var added = model.Generate(prompts, options, cancellationToken);
        if (model is Seq2SeqLM writer) (ids, length) = ([.. Enumerable.Repeat((long)writer.StartTokenId, batch)], 1);
        var width = length + added.Max(row => row.Count);
        var pad = Settings(model, options).PadTokenId;
        var all = new long[batch * width];
        Array.Fill(all, pad);
        for (var row = 0; row < batch; row++)
        {
            Array.Copy(ids, row * length, all, row * width, length);
            for (var i = 0; i < added[row].Count; i++) all[row * width + length + i] = added[row][i];
        }
        return tensor(all, [batch, width], device: inputIds.device);
    }

    /// <summary>Continues a prompt; each new token is there as soon as it is known.</summary>
    /// <exception cref="ArgumentException">The prompt or the options are wrong.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IEnumerable<int> GenerateTokens(
        this LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        return Tokens(model, prompt, Settings(model, options), cancellationToken);
    }

    private static IEnumerable<int> Tokens(LanguageModel model, IReadOnlyList<int> prompt, GenerationSettings settings, CancellationToken cancellationToken)
    {
        using var mode = new EvaluationMode(model);
        using var session = new GenerationSession(model, [prompt], settings);
        while (session.Step())
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return session.Current[0];
        }
    }

    /// <summary>Continues a text; returns what was added, without special tokens, up to the first stop string.</summary>
    /// <exception cref="ArgumentException">The options are wrong.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static string Generate(
        this LanguageModel model, string prompt, ITokenizer tokenizer, GenerationOptions? options = null, CancellationToken cancellationToken = default)
        => string.Concat(model.GenerateText(prompt, tokenizer, options, cancellationToken));

    /// <summary>Continues a text; the pieces returned add up to what was added, without special tokens, up to the first stop string.</summary>
    /// <exception cref="ArgumentException">The options are wrong.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IEnumerable<string> GenerateText(
        this LanguageModel model, string prompt, ITokenizer tokenizer, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var ids = tokenizer.Encode(prompt);
        var stops = new StopStrings(options?.StopStrings ?? []);
        return Pieces(model.GenerateTokens(ids, options, cancellationToken), model.ExtendsPrompt ? ids : [], tokenizer, stops);
    }

    private static IEnumerable<string> Pieces(IEnumerable<int> tokens, IReadOnlyList<int> prompt, ITokenizer tokenizer, StopStrings stops)
    {
        // Decoded with the prompt: a tokenizer may treat the first token of a text in another way than the rest.
        var all = new List<int>(prompt);
        var start = tokenizer.Decode(all).Length;
        var shown = 0;
        var added = "";
        foreach (var token in tokens)
        {
            all.Add(token);
            var text = tokenizer.Decode(all);
            added = text.Length > start ? text[start..] : "";
            if (stops.Find(added) is >= 0 and var end)
            {
                if (end > shown) yield return added[shown..end];
                yield break;
            }
            // A replacement character at the end is a letter whose bytes are not all there yet.
            var ready = added.EndsWith('\uFFFD') ? shown : added.Length - stops.Held(added);
            if (ready <= shown) continue;
            yield return added[shown..ready];
            shown = ready;
        }
        if (added.Length > shown) yield return added[shown..];
    }

    /// <summary>As <see cref="GenerateTokens"/>, computed on a thread of its own.</summary>
    public static IAsyncEnumerable<int> GenerateTokensAsync(
        this LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
        => Stream(token => model.GenerateTokens(prompt, options, token), cancellationToken);

    /// <summary>As <see cref="GenerateText"/>, computed on a thread of its own.</summary>
    public static IAsyncEnumerable<string> GenerateTextAsync(
        this LanguageModel model, string prompt, ITokenizer tokenizer, GenerationOptions? options = null, CancellationToken cancellationToken = default)
        => Stream(token => model.GenerateText(prompt, tokenizer, options, token), cancellationToken);

    private static async IAsyncEnumerable<T> Stream<T>(
        Func<CancellationToken, IEnumerable<T>> produce, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // One thread for the whole run: tensors' scopes and the modes of autograd belong to a thread.
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
            await foreach (var item in channel.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false)) yield return item;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
        }
    }

    private static GenerationSettings Settings(LanguageModel model, GenerationOptions? options)
        => GenerationSettings.Resolve(options, model.GenerationDefaults, model.Config);

    /// <summary>Dropout is off and small adapters are folded while generating; afterwards the model is in its former mode again.</summary>
    private sealed class EvaluationMode : IDisposable
    {
        private readonly LanguageModel model;
        private readonly bool wasTraining;
        private readonly IDisposable? folded;

        public EvaluationMode(LanguageModel model)
        {
            this.model = model;
            wasTraining = model.training;
            if (wasTraining) model.eval();
            folded = PeftModel.Of(model)?.ForInference();
        }

        public void Dispose()
        {
            folded?.Dispose();
            if (wasTraining) model.train();
        }
    }
}
