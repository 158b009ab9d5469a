using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Text generation with a language model: greedy search, sampling or beam search, with a KV cache. A decoder continues its prompt. An
/// encoder-decoder model encodes the prompt once and generates a new sequence. Active and merged adapters, and adapters per row, are applied.
/// </summary>
public static partial class TextGeneration
{
    /// <summary>Continues a prompt. Returns the new tokens, including the end-of-sequence token.</summary>
    /// <exception cref="ArgumentException">The prompt or the options are invalid, or the options ask for several sequences.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    [OverloadResolutionPriority(1)]   // an int[] also converts to a tensor
    public static IReadOnlyList<int> Generate(
        this LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        var settings = Settings(model, options);
        RequireOneSequence(settings);
        return All(model, [prompt], WithoutStopStrings(settings), cancellationToken)[0];
    }

    /// <summary>
    /// Continues prompts of different lengths as a left-padded batch. Returns the new tokens of each. With several sequences per prompt, those of a prompt
    /// are adjacent.
    /// </summary>
    /// <exception cref="ArgumentException">A prompt or an option is invalid.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<IReadOnlyList<int>> Generate(
        this LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompts);
        return All(model, prompts, WithoutStopStrings(Settings(model, options)), cancellationToken);
    }

    /// <summary>
    /// Continues token ids <c>[batch, sequence]</c> without padding. Returns <c>[batch, sequence + new]</c>, with padding after rows that ended. For an
    /// encoder-decoder model <c>[batch, 1 + new]</c>: the start token and the generated tokens. With several sequences per prompt, those of a prompt are adjacent.
    /// </summary>
    /// <exception cref="ArgumentException">The options are invalid.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Tensor Generate(this LanguageModel model, Tensor inputIds, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        var settings = WithoutStopStrings(Settings(model, options));
        var (ids, batch, length) = Read(model, inputIds);
        var prompts = Enumerable.Range(0, batch).Select(row => (IReadOnlyList<int>)[.. ids.AsSpan(row * length, length).ToArray().Select(id => (int)id)]).ToArray();
        var added = All(model, prompts, settings, cancellationToken);
        if (model is Seq2SeqLM writer) (ids, length) = ([.. Enumerable.Repeat((long)writer.StartTokenId, batch)], 1);
        var width = length + added.Max(row => row.Count);
        var all = new long[added.Count * width];
        Array.Fill(all, settings.PadTokenId);
        for (var row = 0; row < added.Count; row++)
        {
            Array.Copy(ids, row * batch / added.Count * length, all, row * width, length);
            for (var i = 0; i < added[row].Count; i++) all[row * width + length + i] = added[row][i];
        }
        return tensor(all, [added.Count, width], device: inputIds.device);
    }

    /// <summary>Beam search with <see cref="GenerationOptions.NumBeams"/> beams. Returns the best hypotheses of each prompt with their scores, best first.</summary>
    /// <remarks>A prompt has <see cref="GenerationOptions.NumReturnSequences"/> hypotheses, or fewer if there are not enough.</remarks>
    /// <exception cref="ArgumentException">A prompt or an option is invalid.</exception>
    /// <exception cref="GenerationException">The model's logits are not finite, or the options leave no token to choose.</exception>
    /// <exception cref="UnsupportedModelException">The model's generation_config.json requires a feature that is not implemented.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<IReadOnlyList<Hypothesis>> BeamSearch(
        this LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompts);
        var settings = Settings(model, options);
        if (settings.NumBeams == 1) throw new ArgumentException("NumBeams is 1, which is not a beam search: set it to 2 or more, or call Generate.", nameof(options));
        return Search(model, prompts, WithoutStopStrings(settings), null, cancellationToken);
    }

    private static IReadOnlyList<IReadOnlyList<int>> All(
        LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings, CancellationToken cancellationToken)
    {
        if (settings.NumBeams > 1) return [.. Search(model, prompts, settings, null, cancellationToken).SelectMany(found => found.Select(each => each.Tokens))];
        using var run = new GenerationRun(model);
        using var inside = run.Enter();
        using var session = new GenerationSession(model, prompts, settings);
        var results = session.Ended.Select(_ => new List<int>()).ToArray();
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

    private static IReadOnlyList<IReadOnlyList<Hypothesis>> Search(
        LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings, Func<int, IReadOnlyList<int>, bool>? stops, CancellationToken cancellationToken)
    {
        using var run = new GenerationRun(model);
        using var inside = run.Enter();
        using var search = new BeamSearch(model, prompts, settings, stops);
        return search.Run(cancellationToken);
    }

    // Checks all token ids before they are cast to 32 bits, which could make an invalid id valid.
    private static (long[] Ids, int Batch, int Length) Read(LanguageModel model, Tensor inputIds)
    {
        var shape = TensorRules.RequireIds(inputIds, nameof(inputIds));
        using var scope = NewDisposeScope();
        var ids = inputIds.to_type(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        foreach (var id in ids)
            if (id < 0 || id >= model.Spec.VocabularySize) throw InputRules.Unknown(id, model.Spec.VocabularySize, nameof(inputIds));
        return (ids, (int)shape[0], (int)shape[1]);
    }

    private static GenerationSettings Settings(LanguageModel model, GenerationOptions? options)
    {
        model.RequireAlive();
        return GenerationSettings.Resolve(options, model.GenerationDefaults, model.Config, model.Spec.VocabularySize);
    }

    private static GenerationSettings WithoutStopStrings(GenerationSettings settings)
        => settings.StopStrings.Count == 0 ? settings
            : throw new ArgumentException("StopStrings need a tokenizer: call the overload that takes one, or set StopStrings to an empty list.");

    private static void RequireOneSequence(GenerationSettings settings)
    {
        if (settings.NumReturnSequences > 1)
            throw new ArgumentException($"NumReturnSequences is {settings.NumReturnSequences}, but this call returns one: call the overload that takes a list of prompts.");
    }
}
