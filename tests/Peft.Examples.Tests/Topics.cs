using Peft.Models;
using PretrainAndFineTune;

namespace Peft.Examples.Tests;

/// <summary>
/// Sentences of made-up words, each about one of ten topics. The labelled sentences have other words than those of the test, so that only texts without labels say what words belong together.
/// </summary>
internal sealed class Topics : Benchmark
{
    private const int Count = 10, Words = 16, Labelled = 8, Length = 8;

    private static readonly string[][] Vocabulary = Make();

    /// <summary>Sentences without labels, of all words.</summary>
    public static IReadOnlyList<string> Texts => [.. Sentences(2500, seed: 1, 0, Words).Select(row => row.Text)];

    public override string Name => "topics";

    public override string Metric => "accuracy";

    public override int Epochs => 20;

    public override (TrainingDataset Train, TrainingDataset Test) Data(Tokenizer tokenizer)
    {
        var train = new ClassificationDataset(Sentences(100, seed: 2, 0, Labelled), tokenizer);
        return (train, new ClassificationDataset(Sentences(200, seed: 3, Labelled, Words), tokenizer, new() { Labels = train.Labels }));
    }

    public override PretrainedModel Model(string folder, TrainingDataset train, bool fromScratch)
    {
        var options = LoadOptions.FromLabelSet(((ClassificationDataset)train).Labels) with { Pooling = Pooling.Mean };
        return fromScratch ? SequenceClassifier.FromConfig(ConfigOf(folder), seed: 2, options) : SequenceClassifier.FromPretrained(folder, options);
    }

    private static IEnumerable<ClassificationRow> Sentences(int count, int seed, int first, int end)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i => new ClassificationRow(string.Join(' ', Enumerable.Range(0, Length).Select(_ => Vocabulary[i % Count][random.Next(first, end)])), $"topic {i % Count}"))];
    }

    // Which words form a topic is drawn by lot: their letters do not tell.
    private static string[][] Make()
    {
        string[] syllables = [.. "bdfglmnprst".SelectMany(consonant => "aeiou".Select(vowel => $"{consonant}{vowel}"))];
        var words = syllables.SelectMany(first => syllables.Select(second => first + second)).ToArray();
        new Random(0).Shuffle(words);
        return [.. words.Chunk(Words).Take(Count)];
    }
}
