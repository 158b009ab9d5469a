using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Chooses tokens by their scores: those with the highest scores, or a sample by their probabilities.</summary>
/// <param name="doSample">True to sample.</param>
/// <param name="seed">Seed for sampling; null for a random seed.</param>
/// <param name="device">Device of the scores.</param>
internal sealed class Sampler(bool doSample, long? seed, Device device) : IDisposable
{
    private readonly Generator? generator = doSample ? new Generator(unchecked((ulong)(seed ?? Random.Shared.NextInt64())), device) : null;

    /// <summary>Chooses a token for each row of scores <c>[rows, vocabulary]</c>: <c>[rows, 1]</c>.</summary>
    public Tensor Pick(Tensor scores) => generator is not null ? Sample(scores, 1) : HighestScore.Supports(scores) ? HighestScore.Indices(scores) : scores.argmax(-1, true);

    /// <summary>Chooses distinct indices of each row <c>[rows, candidates]</c>, with their scores: best first, or in the order sampled.</summary>
    public (Tensor Scores, Tensor Indices) Pick(Tensor scores, int count)
    {
        if (generator is null) return scores.topk(count, -1);
        var indices = Sample(scores, count);
        return (scores.gather(-1, indices), indices);
    }

    // torch's multinomial supports at most this many categories.
    private const long MaxCategories = 1 << 24;

    private Tensor Sample(Tensor scores, int count)
    {
        if (scores.size(-1) > MaxCategories) throw new GenerationException($"Beam sampling has {scores.size(-1)} candidates, NumBeams times the vocabulary, but at most {MaxCategories} are supported: lower NumBeams or set DoSample to false.");
        // A row of a beam search whose tokens are all excluded has no probabilities. Its samples are ignored.
        using var soft = nn.functional.softmax(scores, -1);
        using var probabilities = soft.nan_to_num(1);
        return probabilities.multinomial(count, false, generator);
    }

    public void Dispose() => generator?.Dispose();
}
