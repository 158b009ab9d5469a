using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Chooses tokens by their scores: the best ones, or sampled by their probabilities.</summary>
/// <param name="draws">True to sample.</param>
/// <param name="seed">Seed for sampling; null for a random seed.</param>
/// <param name="device">Device of the scores.</param>
internal sealed class Sampler(bool draws, long? seed, Device device) : IDisposable
{
    private readonly Generator? generator = draws ? new Generator(unchecked((ulong)(seed ?? Random.Shared.NextInt64())), device) : null;

    /// <summary>Chooses a token for each row of scores <c>[rows, vocabulary]</c>: <c>[rows, 1]</c>.</summary>
    public Tensor Pick(Tensor scores) => generator is null ? scores.argmax(-1, true) : Draw(scores, 1);

    /// <summary>Chooses distinct indices of each row <c>[rows, candidates]</c>, with their scores: best first, or in the order sampled.</summary>
    public (Tensor Scores, Tensor Places) Pick(Tensor scores, int count)
    {
        if (generator is null) return scores.topk(count, -1);
        var places = Draw(scores, count);
        return (scores.gather(-1, places), places);
    }

    // torch's multinomial supports at most this many categories.
    private const long MostPlaces = 1 << 24;

    private Tensor Draw(Tensor scores, int count)
    {
        if (scores.shape[^1] > MostPlaces) throw new GenerationException($"Beam sampling has {scores.shape[^1]} candidates, NumBeams times the vocabulary, but at most {MostPlaces} are supported: lower NumBeams or set DoSample to false.");
        // A row of a beam search whose tokens are all excluded has no probabilities. Its samples are ignored.
        using var soft = nn.functional.softmax(scores, -1);
        using var probabilities = soft.nan_to_num(1);
        return probabilities.multinomial(count, false, generator);
    }

    public void Dispose() => generator?.Dispose();
}
