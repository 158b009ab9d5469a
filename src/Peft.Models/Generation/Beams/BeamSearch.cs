using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Beam search for several prompts in one batch. The prompts are processed once; then each has one row per beam, and the cached keys and values of
/// new tokens are reordered with the beams.
/// </summary>
internal sealed class BeamSearch : IDisposable
{
    private readonly GenerationSettings settings;
    private readonly Decoding decoding;
    private readonly LogitsPipeline pipeline;
    private readonly Sampler sampler;
    private readonly BeamPool[] pools;
    private readonly long candidates;

    /// <param name="model">The model.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="settings">The settings of the search.</param>
    /// <param name="stops">True if a prompt's new tokens end for a reason other than an end-of-sequence token; null if there is no other reason.</param>
    public BeamSearch(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings, Func<int, IReadOnlyList<int>, bool>? stops = null)
    {
        this.settings = settings;
        decoding = new Decoding(model, prompts, settings, settings.NumBeams);
        pipeline = new LogitsPipeline(settings, decoding.Limit, decoding.Width == 1);
        sampler = new Sampler(settings.DoSample, settings.Seed, model.Device);
        pools = [.. prompts.Select((_, prompt) => new BeamPool(
            settings, decoding.Limit, tokens => settings.EndTokenIds.Contains(tokens[^1]) || stops?.Invoke(prompt, tokens) == true))];
        // Enough candidates to fill all beams even if the best ones all end.
        candidates = Math.Max(2L, 1L + settings.EndTokenIds.Count) * settings.NumBeams;
    }

    /// <summary>The KV cache.</summary>
    public KeyValueCache Cache => decoding.Cache;

    /// <summary>The best hypotheses of each prompt, best first.</summary>
    /// <exception cref="GenerationException">Every token was excluded, or scores are not finite.</exception>
    public IReadOnlyList<IReadOnlyList<Hypothesis>> Run(CancellationToken cancellationToken)
    {
        var step = 0;
        for (; step < decoding.Limit && pools.Any(pool => pool.CanImprove); step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var inference = inference_mode();
            using var scope = NewDisposeScope();
            Advance(step);
            if (step + 1 < decoding.Limit && pools.Any(pool => pool.CanImprove)) Follow(step);
        }
        return [.. pools.Select(pool => pool.Best is { Count: > 0 } best ? best
            : throw ScoreRules.Empty(Math.Max(0, step - 1)))];
    }

    private void Advance(int step)
    {
        // Before the first step all beams of a prompt are equal, so a single row is enough.
        var rows = step == 0 ? 1 : settings.NumBeams;
        var logits = decoding.Next();
        if (settings.Changes.RemoveInvalidValues != true) ScoreRules.RequireLogits(logits, step);
        var scores = nn.functional.log_softmax(logits.to_type(ScalarType.Float32), -1);
        if (!pipeline.IsEmpty)
        {
            scores = pipeline.Process(Context(step, rows), scores);
            ScoreRules.RequireChoice(scores, step, settings, mayBeEmpty: true);
        }
        var vocabulary = scores.size(1);
        if (step > 0) scores = scores.add(tensor(pools.SelectMany(Scores).ToArray(), device: decoding.Device).unsqueeze(1), One);
        var all = scores.reshape(pools.Length, rows * vocabulary);
        var count = (int)Math.Min(candidates, all.size(1));
        var (values, indices) = sampler.Pick(all, count);
        using var valuesOnCpu = values.cpu();
        using var indicesOnCpu = indices.cpu();
        var (value, index) = (valuesOnCpu.data<float>().ToArray(), indicesOnCpu.data<long>().ToArray());
        for (var prompt = 0; prompt < pools.Length; prompt++)
            pools[prompt].Advance(Enumerable.Range(prompt * count, count).Select(i => new BeamStep((int)(index[i] / vocabulary), (int)(index[i] % vocabulary), value[i])));
    }

    // Missing beams get −∞. The value for finished prompts does not matter, because their result is ignored.
    private IEnumerable<float> Scores(BeamPool pool)
        => Enumerable.Range(0, settings.NumBeams).Select(beam => !pool.CanImprove ? 0 : beam < pool.Running.Count ? pool.Running[beam].Score : float.NegativeInfinity);

    private void Follow(int step)
    {
        var beams = settings.NumBeams;
        var (rows, tokens) = (new long[pools.Length * beams], new long[pools.Length * beams]);
        for (var row = 0; row < rows.Length; row++)
        {
            var (prompt, beam) = (row / beams, row % beams);
            var running = pools[prompt].Running;
            var at = beam < running.Count ? running[beam] : null;
            rows[row] = prompt * beams + (at?.From ?? 0);
            tokens[row] = at?.Tokens[^1] ?? settings.PadTokenId;
        }
        if (step == 0) decoding.Repeat(beams);
        else decoding.Reorder(rows);
        decoding.Append(tensor(tokens, [rows.Length, 1], device: decoding.Device));
    }

    private LogitsContext Context(int step, int rows)
    {
        var (promptOfRow, sequenceOfRow) = (new List<IReadOnlyList<int>>(), new List<IReadOnlyList<int>>());
        for (var prompt = 0; prompt < pools.Length; prompt++)
            for (var beam = 0; beam < rows; beam++)
            {
                var running = pools[prompt].Running;
                promptOfRow.Add(decoding.Prompts[prompt]);
                sequenceOfRow.Add(beam < running.Count ? [.. decoding.Start[prompt], .. running[beam].Tokens] : decoding.Start[prompt]);
            }
        return new LogitsContext(promptOfRow, sequenceOfRow, step);
    }

    public void Dispose()
    {
        decoding.Dispose();
        sampler.Dispose();
    }
}
