using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Generation of completions for the prompts of a batch.</summary>
/// <param name="model">The model that generates.</param>
/// <param name="options">Settings.</param>
/// <param name="generations">Number of completions of each prompt.</param>
internal sealed class Sampling(CausalLM model, RolloutOptions options, int generations)
{
    private readonly GenerationOptions settings = new()
    {
        DoSample = true, Temperature = options.Temperature, TopK = options.TopK, TopP = options.TopP, MinP = options.MinP, RepetitionPenalty = options.RepetitionPenalty,
        MaxNewTokens = options.MaxCompletionLength, NumReturnSequences = generations, EndTokenIds = options.EndTokenIds, UseModelDefaults = false,
    };

    /// <summary>Generates completions, those of a prompt adjacent.</summary>
    /// <param name="prompts">Prompts <c>[prompts, sequence]</c> with their mask.</param>
    /// <param name="seed">Seed of the random generator.</param>
    /// <exception cref="TrainingException">A prompt has no tokens, or leaves no room for a completion.</exception>
    public IReadOnlyList<Completion> Run(Batch prompts, long seed)
    {
        var ids = PromptsOf(prompts);
        if (prompts.Fields is { } fields && fields.Count != ids.Length) throw new ArgumentException($"The batch has the fields of {fields.Count} rows, but {ids.Length} prompts: give those of each.", nameof(prompts));
        var ends = EndTokens;
        var generated = model.Generate(ids, settings with { Seed = seed });
        return [.. generated.Select((tokens, i) => new Completion
        {
            Row = i / generations,
            Prompt = ids[i / generations],
            Tokens = tokens,
            IsTruncated = !ends.Contains(tokens[^1]),
            PromptText = options.Tokenizer?.Decode(ids[i / generations], skipSpecialTokens: false),
            Text = options.Tokenizer?.Decode(tokens),
            Fields = prompts.Fields?[i / generations] ?? [],
            Extra = prompts.Extra.Where(pair => pair.Value.dim() > 0 && pair.Value.size(0) == ids.Length).ToDictionary(pair => pair.Key, pair => pair.Value[i / generations]),
        })];
    }

    /// <summary>Continues prompts by at most some tokens, each once.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Continue(IReadOnlyList<IReadOnlyList<int>> prompts, int most, long seed) => model.Generate(prompts, settings with { NumReturnSequences = 1, MaxNewTokens = most, Seed = seed });

    private int[][] PromptsOf(Batch batch)
    {
        TensorRules.RequireIds(batch.InputIds, nameof(batch.InputIds));
        using var scope = NewDisposeScope();
        var (rows, width) = ((int)batch.InputIds.size(0), (int)batch.InputIds.size(1));
        if (batch.AttentionMask is { } given && !given.shape.SequenceEqual(batch.InputIds.shape)) throw new ArgumentException($"The attention mask must have the shape of the prompts, [{rows}, {width}], but is [{string.Join(", ", given.shape)}].", nameof(batch));
        var ids = batch.InputIds.to_type(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        var mask = batch.AttentionMask?.to_type(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        var prompts = new int[rows][];
        for (var row = 0; row < rows; row++)
        {
            prompts[row] = [.. Enumerable.Range(row * width, width).Where(i => mask is null || mask[i] != 0).Select(i => checked((int)ids[i]))];
            if (prompts[row].Length == 0) throw new TrainingException($"Prompt {row} of the batch has no tokens: remove its row from the dataset, or begin prompts with a begin-of-sequence token.");
            if (prompts[row].Length >= model.Spec.MaxPositions)
                throw new TrainingException($"Prompt {row} of the batch has {prompts[row].Length} tokens, which leaves no room for a completion: the model has {model.Spec.MaxPositions} positions. Remove or shorten it; prompts are never truncated.");
        }
        return prompts;
    }

    /// <summary>A batch of prompts, padded on the left, and completions, padded on the right.</summary>
    /// <param name="completions">The completions.</param>
    /// <param name="padding">The padding token.</param>
    /// <param name="masksTruncated">True to leave out completions that did not end.</param>
    /// <param name="device">Device of the tensors.</param>
    /// <param name="leastWidth">The smallest width of the completions, which may be that of other batches.</param>
    public static Batch ToBatch(IReadOnlyList<Completion> completions, int padding, bool masksTruncated, Device device, int leastWidth = 0)
    {
        var (before, after) = (completions.Max(each => each.Prompt.Count), Math.Max(leastWidth, completions.Max(each => each.Tokens.Count)));
        var (width, rows) = (before + after, completions.Count);
        var (ids, mask, own) = (new long[rows * width], new long[rows * width], new long[rows * after]);
        Array.Fill(ids, padding);
        for (var row = 0; row < rows; row++)
        {
            var (prompt, tokens) = (completions[row].Prompt, completions[row].Tokens);
            for (var i = 0; i < prompt.Count; i++) (ids[row * width + before - prompt.Count + i], mask[row * width + before - prompt.Count + i]) = (prompt[i], 1);
            var counts = masksTruncated && completions[row].IsTruncated ? 0 : 1;
            for (var i = 0; i < tokens.Count; i++)
            {
                ids[row * width + before + i] = tokens[i];
                mask[row * width + before + i] = own[row * after + i] = counts;
            }
        }
        var extra = new Dictionary<string, Tensor> { [Completions.MaskName] = tensor(own, [rows, after], device: device) };
        if (completions.Any(each => each.IsResult is not null))
            extra[Completions.ToolMaskName] = tensor(completions.SelectMany(each => Enumerable.Range(0, after).Select(i => each.IsResult?.ElementAtOrDefault(i) == true ? 0L : 1)).ToArray(), [rows, after], device: device);
        return new() { InputIds = tensor(ids, [rows, width], device: device), AttentionMask = tensor(mask, [rows, width], device: device), Extra = extra, Weight = rows };
    }

    /// <summary>The token that pads batches.</summary>
    public int Padding => Resolved.PadTokenId;

    /// <summary>Tokens that end completions.</summary>
    public IReadOnlyList<int> EndTokens => Resolved.EndTokenIds;

    private GenerationSettings Resolved => GenerationSettings.Resolve(settings, model.GenerationDefaults, model.Config, model.Spec.VocabularySize);
}
