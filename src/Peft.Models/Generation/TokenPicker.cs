using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Chooses tokens by their scores: the best ones, or drawn by their probabilities.</summary>
/// <param name="draws">Whether to draw.</param>
/// <param name="seed">Seed of the draws; null for another draw each time.</param>
/// <param name="device">Where the scores are.</param>
internal sealed class TokenPicker(bool draws, long? seed, Device device) : IDisposable
{
    private readonly Generator? generator = draws ? new Generator(unchecked((ulong)(seed ?? Random.Shared.NextInt64())), device) : null;

    /// <summary>A token for each row of scores <c>[rows, vocabulary]</c>: <c>[rows, 1]</c>.</summary>
    public Tensor Pick(Tensor scores) => generator is null ? scores.argmax(-1, true) : Draw(scores, 1);

    /// <summary>So many different places of each row <c>[rows, places]</c>, and their scores: the best ones in falling order, or in the order of the draw.</summary>
    public (Tensor Scores, Tensor Places) Pick(Tensor scores, int count)
    {
        if (generator is null) return scores.topk(count, -1);
        var places = Draw(scores, count);
        return (scores.gather(-1, places), places);
    }

    // torch draws among so many at most.
    private const long MostPlaces = 1 << 24;

    private Tensor Draw(Tensor scores, int count)
    {
        if (scores.shape[^1] > MostPlaces) throw new GenerationException($"A beam search that draws chooses among {scores.shape[^1]} places, NumBeams times the vocabulary, but no more than {MostPlaces} are possible: lower NumBeams or set DoSample to false.");
        // A row of a beam search whose tokens are all excluded has no probabilities: what is drawn there is not taken.
        using var soft = nn.functional.softmax(scores, -1);
        using var probabilities = soft.nan_to_num(1);
        return probabilities.multinomial(count, false, generator);
    }

    public void Dispose() => generator?.Dispose();
}
