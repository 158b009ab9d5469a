namespace Peft.Models;

/// <summary>
/// The beams and the finished hypotheses of one prompt. As in transformers, a step considers more candidates than there are beams. Candidates that
/// end the sequence become finished hypotheses if they rank among the first beams; the best of the others become the next beams.
/// </summary>
/// <param name="settings">The settings of the search.</param>
/// <param name="limit">Maximum number of new tokens.</param>
/// <param name="ends">True if new tokens are complete before the limit.</param>
internal sealed class BeamPool(GenerationSettings settings, int limit, Func<IReadOnlyList<int>, bool> ends)
{
    private readonly int count = settings.NumBeams;
    private List<(Hypothesis Text, double Score)> finished = [];

    /// <summary>The running beams, best first. There are fewer than configured if the vocabulary has no more candidates.</summary>
    public IReadOnlyList<Beam> Running { get; private set; } = [new([], 0, 0)];

    /// <summary>True if a running beam might still become one of the best hypotheses.</summary>
    public bool CanImprove { get; private set; } = true;

    /// <summary>The best hypotheses, best first.</summary>
    public IReadOnlyList<Hypothesis> Best => [.. finished.Take(settings.NumReturnSequences).Select(each => each.Text)];

    /// <summary>Advances by one token with the best (or sampled) candidates, in that order.</summary>
    public void Advance(IEnumerable<BeamStep> steps)
    {
        if (!CanImprove) return;
        var (going, ended, rank, length) = (new List<Beam>(), new List<Beam>(), 0, 0);
        foreach (var (from, token, score) in steps)
        {
            rank++;
            if (float.IsNegativeInfinity(score)) continue;   // excluded
            var next = new Beam([.. Running[from].Tokens, token], score, from);
            length = next.Tokens.Count;
            if (length < limit && !ends(next.Tokens)) going.Add(next);
            else if (rank <= count) ended.Add(next);
        }
        finished = [.. finished.Concat(ended.Select(Finish)).OrderByDescending(each => each.Score).Take(count)];
        Running = [.. going.OrderByDescending(beam => beam.Score).Take(count)];
        CanImprove = Running.Count > 0 && (finished.Count < count || (settings.EarlyStopping != EarlyStopping.WhenFull && MightBeat(finished[^1].Score, length)));
    }

    private (Hypothesis Text, double Score) Finish(Beam beam)
    {
        var score = beam.Score / Divisor(beam.Tokens.Count);
        return (new Hypothesis(beam.Tokens, score), score);
    }

    private bool MightBeat(double worst, int length)
        => Running[0].Score / Divisor(settings is { EarlyStopping: EarlyStopping.Never, LengthPenalty: > 0 } ? limit : length) > worst;

    private double Divisor(int length) => Math.Pow(length, settings.LengthPenalty);
}
