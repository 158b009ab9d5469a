using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A generation run: each <see cref="Step"/> appends a token to every row that has not ended. A prompt has one row per requested sequence.</summary>
internal sealed class GenerationSession : IDisposable
{
    private readonly GenerationSettings settings;
    private readonly ParallelDecoding decoding;
    private readonly LogitsPipeline pipeline;
    private readonly Sampler sampler;
    private readonly int copies;
    private readonly bool[] ended;
    private readonly int[] current;
    private readonly List<int>[]? sequences;   // start and new tokens; only for logits processors
    private readonly IReadOnlyList<int>[]? promptOfRow;
    private int step;

    public GenerationSession(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings)
    {
        this.settings = settings;
        copies = settings.NumReturnSequences;
        decoding = new ParallelDecoding(model, prompts, settings, copies);
        pipeline = new LogitsPipeline(settings, decoding.Limit, decoding.Width == 1);
        sampler = new Sampler(settings.DoSample, settings.Seed, model.Device);
        ended = new bool[prompts.Count * copies];
        current = new int[ended.Length];
        if (pipeline.IsEmpty) return;
        sequences = [.. Rows(decoding.Start).Select(row => new List<int>(row))];
        promptOfRow = [.. Rows(prompts)];
    }

    /// <summary>The tokens of the last step, one per row. Rows that ended earlier get the padding token.</summary>
    public IReadOnlyList<int> Current => current;

    /// <summary>True for each row that has ended. Callers may end rows themselves.</summary>
    public bool[] Ended => ended;

    /// <summary>The KV cache.</summary>
    public KeyValueCache Cache => decoding.Cache;

    private IEnumerable<IReadOnlyList<int>> Rows(IEnumerable<IReadOnlyList<int>> prompts) => prompts.SelectMany(prompt => Enumerable.Repeat(prompt, copies));

    /// <summary>Appends a token to each row. Returns false if all rows have ended or the limit is reached.</summary>
    public bool Step()
    {
        if (step >= decoding.Limit || Array.TrueForAll(ended, each => each)) return false;
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var picked = Settle(sampler.Pick(Scores()));
        if (step + 1 < decoding.Limit) decoding.Append(picked);
        step++;
        return true;
    }

    // [rows, vocabulary]
    private Tensor Scores()
    {
        var logits = decoding.Next();
        if (step == 0 && copies > 1)
        {
            logits = logits.repeat_interleave(copies, 0);
            decoding.Repeat(copies);
        }
        if (settings.Changes.RemoveInvalidValues != true) ScoreRules.RequireLogits(logits, step);
        if (pipeline.IsEmpty) return settings.DoSample ? logits.to_type(ScalarType.Float32) : logits;
        var scores = pipeline.Process(new LogitsContext(promptOfRow!, sequences!, step), logits.to_type(ScalarType.Float32));
        ScoreRules.RequireChoice(scores, step, settings);
        return scores;
    }

    private Tensor Settle(Tensor picked)
    {
        if (ended.Length == 1)
        {
            Take(0, (int)picked.item<long>());
            return picked;
        }
        using var onCpu = picked.cpu();
        var ids = onCpu.data<long>();
        var changed = false;
        for (var row = 0; row < ended.Length; row++)
        {
            changed |= ended[row];
            if (ended[row]) current[row] = settings.PadTokenId;
            else Take(row, (int)ids[row]);
        }
        return changed ? tensor(current.Select(id => (long)id).ToArray(), [ended.Length, 1], device: decoding.Device) : picked;
    }

    private void Take(int row, int id)
    {
        current[row] = id;
        sequences?[row].Add(id);
        ended[row] = settings.EndTokenIds.Contains(id);
    }

    public void Dispose()
    {
        decoding.Dispose();
        sampler.Dispose();
    }
}
