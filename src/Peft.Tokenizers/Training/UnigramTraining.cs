using System.Text;

namespace Peft.Tokenizers;

/// <summary>A run of unigram model training: expectation maximization and pruning.</summary>
internal sealed class UnigramTraining
{
    // Penalty of a character that is not a piece relative to the least probable piece, as in SentencePiece.
    private const double UnknownPenalty = 10;
    // Pieces with a lower expected count are dropped.
    private const double MinExpected = 0.5;
    // Difference between the scores of successive characters that were dropped.
    private const double CharacterStep = 0.0001;

    private readonly UnigramTrainer options;
    private readonly int[][] words;
    private readonly long[] counts;
    private readonly int desired;
    private List<(int[] Piece, double Score)> pieces = [];   // the first represents unknown characters
    private PieceTrie trie = new();
    private double[] scores = [];
    private double lowestScore;

    public UnigramTraining(UnigramTrainer options, IReadOnlyList<WordCount> words)
    {
        this.options = options;
        this.words = [.. words.Select(word => word.Word.EnumerateRunes().Select(rune => rune.Value).ToArray())];
        counts = [.. words.Select(word => word.Count)];
        Characters = [.. this.words.SelectMany(word => word), .. options.Alphabet()];
        desired = (int)(options.VocabularySize * 11L / 10);   // the last pieces are chosen at the end
    }

    /// <summary>The characters, all of which must be pieces.</summary>
    public SortedSet<int> Characters { get; }

    /// <summary>The pieces with their log-probabilities, the most probable first.</summary>
    public List<(string Piece, double Score)> Run(CancellationToken cancellationToken)
    {
        var seeds = UnigramSeeds.Find(words, counts, options.MaxPieceLength, options.SeedSize);
        var sum = Math.Log(seeds.Sum(seed => seed.Score));
        Become([([], double.NaN), .. seeds.Select(seed => (seed.Piece, Math.Log(seed.Score) - sum))]);
        while (true)
        {
            for (var i = 0; i < options.SubIterations; i++) Become(Maximize(Expect(cancellationToken)));
            if (pieces.Count <= desired) return Final();
            var before = pieces.Count;
            Become(Prune(cancellationToken));
            if (pieces.Count == before) return Final();   // every piece is required
        }
    }

    private void Become(List<(int[] Piece, double Score)> next)
    {
        pieces = next;
        scores = [.. next.Select(piece => piece.Score)];
        lowestScore = next.Skip(1).Select(piece => piece.Score).DefaultIfEmpty(0).Min();
        trie = new();
        for (var i = 1; i < next.Count; i++) trie.Add(next[i].Piece, i);
    }

    private UnigramLattice LatticeOf(int[] word) => new(word, trie, scores, lowestScore - UnknownPenalty);

    private double[] Expect(CancellationToken cancellationToken)
    {
        var expected = new double[pieces.Count];
        for (var i = 0; i < words.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            LatticeOf(words[i]).AddExpected(counts[i], expected);
        }
        return expected;
    }

    // The digamma function instead of the logarithm makes rare pieces rarer (variational Bayes with a sparse prior).
    private List<(int[] Piece, double Score)> Maximize(double[] expected)
    {
        var kept = Enumerable.Range(1, pieces.Count - 1).Where(i => !(expected[i] < MinExpected)).ToList();
        var sum = 0.0;
        foreach (var i in kept) sum += expected[i];
        var total = Digamma(sum);
        return [pieces[0], .. kept.Select(i => (pieces[i].Piece, Digamma(expected[i]) - total))];
    }

    // Removes the pieces whose removal lowers the likelihood least. A removed piece is replaced by its second-best segmentation.
    private List<(int[] Piece, double Score)> Prune(CancellationToken cancellationToken)
    {
        var frequencies = new double[pieces.Count];
        for (var i = 0; i < words.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var piece in LatticeOf(words[i]).Best().Pieces) frequencies[piece] += counts[i];
        }
        var (all, sum) = (counts.Sum(), frequencies.Sum());
        var kept = new List<(int[] Piece, double Score)> { pieces[0] };
        var candidates = new List<(int Piece, double Loss)>();
        for (var i = 1; i < pieces.Count; i++)
        {
            var (alternative, needed) = AlternativeOf(i);
            if (frequencies[i] == 0 && !needed) continue;
            if (alternative.Count == 0) kept.Add(pieces[i]);
            else if (frequencies[i] > 0) candidates.Add((i, Loss(i, alternative)));
        }
        var size = Math.Max(desired, (int)(pieces.Count * options.ShrinkingFactor));
        kept.AddRange(candidates.OrderByDescending(candidate => candidate.Loss).Take(Math.Max(0, size - kept.Count)).Select(candidate => pieces[candidate.Piece]));
        return kept;

        double Loss(int piece, IReadOnlyList<int> alternative)
        {
            var own = Math.Log(frequencies[piece]) - Math.Log(sum);
            // SentencePiece and Hugging Face's trainer add the number of all pieces here, not that of the alternative as Kudo's derivation would. Their vocabularies depend on it.
            var sumWithout = Math.Log(sum + frequencies[piece] * (pieces.Count - 1));
            var replaced = alternative.Sum(each => Math.Log(frequencies[each] + frequencies[piece]) - sumWithout);
            return frequencies[piece] / all * (own - replaced);
        }
    }

    // The best segmentation of a piece into other pieces. The piece is needed unless that is more probable.
    private (IReadOnlyList<int> Alternative, bool Needed) AlternativeOf(int piece)
    {
        if (pieces[piece].Piece.Length == 1) return ([], true);
        var lattice = LatticeOf(pieces[piece].Piece);
        var (alternative, score) = lattice.Best(without: piece);
        return score > scores[piece] ? ([], false) : (alternative, true);
    }

    private List<(string Piece, double Score)> Final()
    {
        var known = pieces.Skip(1).Where(piece => piece.Piece.Length == 1).ToDictionary(piece => piece.Piece[0], piece => piece.Score);
        var result = new List<(string Piece, double Score)>();
        var dropped = 0;
        foreach (var character in Characters)
            result.Add((char.ConvertFromUtf32(character), known.TryGetValue(character, out var score) ? score : lowestScore + CharacterStep * dropped++));
        var taken = result.Select(piece => piece.Piece).Concat(options.SpecialTokens).ToHashSet(StringComparer.Ordinal);
        result.RemoveAll(piece => options.SpecialTokens.Contains(piece.Piece));
        foreach (var (piece, score) in pieces.Skip(1))
        {
            if (result.Count >= options.VocabularySize - options.SpecialTokens.Count) break;
            if (string.Concat(piece.Select(char.ConvertFromUtf32)) is var text && taken.Add(text)) result.Add((text, score));
        }
        return [.. result.OrderByDescending(piece => piece.Score)];
    }

    // ψ(x): the recurrence up to 7, then the asymptotic series around x − ½.
    private static double Digamma(double x)
    {
        var result = 0.0;
        for (; x < 7; x++) result -= 1 / x;
        x -= 0.5;
        var y = 1 / (x * x);
        return result + Math.Log(x) + y / 24 - 7 * y * y / 960 + 31 * y * y * y / 8064 - 127 * y * y * y * y / 30720;
    }
}
