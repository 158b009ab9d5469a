namespace Peft.Models.Tests.Tasks;

public class MaskedDatasetTests
{
    private static readonly string[] Texts = [.. Enumerable.Range(0, 400).Select(i => string.Join(' ', Enumerable.Range(0, 40).Select(j => $"{Words[(i * 7 + j * j) % Words.Length]}")))];
    private static readonly Tokenizer Tokenizer = new WordPieceTrainer { VocabularySize = 60, MaxLength = 64 }.Train(Texts);

    private static string[] Words => ["the", "small", "dog", "runs", "over", "walking", "houses", "green", "and", "water"];

    private static (long[] Input, long[] Labels, long[] Plain) Batch(MaskedDataset data, int epoch, params int[] rows)
    {
        using var batch = data.GetBatch(rows, epoch);
        var labels = batch.Labels!.data<long>().ToArray();
        var input = batch.InputIds.data<long>().ToArray();
        return (input, labels, [.. input.Select((id, i) => labels[i] == Peft.Batch.IgnoredLabel ? id : labels[i])]);
    }

    // Five standard deviations of a binomial share: a right share fails in fewer than one of a million choices of the seed, and the seed is fixed.
    private static void ShouldBeShare(long count, long of, double share) => ((double)count / of).ShouldBe(share, 5 * Math.Sqrt(share * (1 - share) / of));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Shares_are_those_of_the_options_and_special_tokens_are_never_chosen(bool wholeWords)
    {
        var data = new MaskedDataset(Texts, Tokenizer, new() { WholeWords = wholeWords });
        var (input, labels, plain) = Batch(data, 3, [.. Enumerable.Range(0, data.Count)]);
        var tokens = Enumerable.Range(0, input.Length).Where(i => plain[i] > 4).ToList();
        var chosen = tokens.Where(i => labels[i] >= 0).ToList();
        labels.Count(label => label >= 0).ShouldBe(chosen.Count);
        if (!wholeWords) ShouldBeShare(chosen.Count, tokens.Count, 0.15);
        ShouldBeShare(chosen.Count(i => input[i] == Tokenizer.MaskId), chosen.Count, 0.8);
        // A random token is the right one by chance.
        ShouldBeShare(chosen.Count(i => input[i] != Tokenizer.MaskId && input[i] != labels[i]), chosen.Count, 0.1 * (Tokenizer.VocabularySize - 6) / (Tokenizer.VocabularySize - 5));
        chosen.Where(i => input[i] != Tokenizer.MaskId).ShouldAllBe(i => input[i] > 4);
    }

    [Fact]
    public void Whole_words_are_chosen_together()
    {
        var data = new MaskedDataset(Texts, Tokenizer, new() { WholeWords = true });
        var (split, words, chosen) = (0, 0, 0);
        for (var row = 0; row < data.Count; row++)
        {
            var (_, labels, plain) = Batch(data, 0, row);
            for (var i = 1; i < plain.Length; i++)
            {
                var continues = Tokenizer.IdToToken((int)plain[i])!.StartsWith("##", StringComparison.Ordinal);
                if (continues) split += labels[i] >= 0 != labels[i - 1] >= 0 && i > 1 ? 1 : 0;
                else if (plain[i] > 4)
                {
                    words++;
                    chosen += labels[i] >= 0 ? 1 : 0;
                }
            }
        }
        split.ShouldBe(0);
        ShouldBeShare(chosen, words, 0.15);
    }

    [Fact]
    public void Masks_follow_from_seed_epoch_and_row_alone()
    {
        var (data, again, other) = (new MaskedDataset(Texts, Tokenizer), new MaskedDataset(Texts, Tokenizer), new MaskedDataset(Texts, Tokenizer, new() { Seed = 43 }));
        Batch(data, 2, 5).Input.ShouldBe(Batch(again, 2, 5).Input);
        var beside = Batch(data, 2, 4, 5).Labels;   // in a batch with a longer row
        beside[(beside.Length / 2)..][..data.LengthOf(5)].ShouldBe(Batch(data, 2, 5).Labels);
        Batch(data, 2, 5).Labels.ShouldNotBe(Batch(data, 3, 5).Labels);
        Batch(data, 2, 5).Labels.ShouldNotBe(Batch(other, 2, 5).Labels);
        using var evaluation = data.GetBatch([5]);
        using var same = again.GetBatch([5]);
        evaluation.Labels!.data<long>().ToArray().ShouldBe(same.Labels!.data<long>().ToArray());
    }

    [Fact]
    public void Long_texts_become_several_rows_and_lose_nothing()
    {
        var data = new MaskedDataset([Texts[0]], Tokenizer, new() { MaxLength = 12 });
        var kept = Enumerable.Range(0, data.Count).SelectMany(row => Batch(data, 0, row).Plain.Where(id => id > 4)).ToArray();
        kept.ShouldBe(Tokenizer.Encode(Texts[0], addSpecialTokens: false).Select(id => (long)id));
        Enumerable.Range(0, data.Count).ShouldAllBe(row => data.LengthOf(row) <= 12);
    }

    [Fact]
    public void What_cannot_be_masked_is_named()
    {
        var plain = new BpeTrainer().Train(Texts);
        Should.Throw<DatasetException>(() => new MaskedDataset(Texts, plain)).Message.ShouldContain("mask token");
        Should.Throw<DatasetException>(() => new MaskedDataset(["", "[SEP]"], Tokenizer)).Message.ShouldContain("no tokens");
        Should.Throw<ArgumentException>(() => new MaskedDataset(Texts, Tokenizer, new() { MaskProbability = 0 }));
    }

    private static MaskedLM Tiny() => MaskedLM.FromConfig(ModelConfig.Parse($$"""
        { "model_type": "bert", "vocab_size": {{Tokenizer.VocabularySize}}, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0 }
        """), seed: 1);

    [Fact]
    public void A_tiny_bert_learns_from_random_weights_and_a_resumed_run_is_the_same()
    {
        var folder = Directory.CreateTempSubdirectory("peft").FullName;
        try
        {
            TrainingResult Train(string? from, string? to)
            {
                using var model = Tiny();
                using var peft = model.ApplyFull();
                return new Trainer(peft, new MaskedDataset(Texts, Tokenizer), new() { BatchSize = 16, MaxSteps = 60, LearningRate = 5e-3, OutputFolder = to, SaveEverySteps = to is null ? null : 30, ResumeFrom = from, Schedule = LearningRateSchedule.Constant }).Train();
            }

            var whole = Train(null, folder);
            whole.Losses.TakeLast(10).Average().ShouldBeLessThan(0.8 * whole.Losses.Take(5).Average());
            var resumed = Train(Path.Combine(folder, "checkpoint-30"), null);   // in the second epoch of 25 steps
            resumed.Losses.TakeLast(30).ShouldBe(whole.Losses.TakeLast(30));
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }
}
