using System.Text.Json.Nodes;

namespace Peft.Alignment.Tests;

public sealed class TokenCacheTests : IDisposable
{
    private static readonly string Stories = Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");
    private readonly TemporaryFolder folder = new();
    private readonly Tokenizer tokenizer = Tokenizer.FromPretrained(Stories);

    public void Dispose() => folder.Dispose();

    private TokenCache Cache => new(folder["cache"]);

    private IEnumerable<string> Entries => Directory.Exists(Cache.Folder) ? Directory.GetDirectories(Cache.Folder).Where(each => File.Exists(Path.Combine(each, "dataset.json"))) : [];

    private static JsonObject[] Texts(string tail = "") => [.. Enumerable.Range(0, 30).Select(i => new JsonObject { ["text"] = string.Concat(Enumerable.Repeat($"Once upon a time {i}. ", 1 + (i % 7))) + tail })];

    private static JsonObject[] Pairs() => [.. Enumerable.Range(0, 9).Select(i => new JsonObject { ["prompt"] = $"The dog {i}", ["chosen"] = " was happy.", ["rejected"] = string.Concat(Enumerable.Repeat(" was sad.", 1 + i)) })];

    private SftDataset Sft(IEnumerable<JsonObject> rows, SftDatasetOptions? options = null, bool cached = true, Tokenizer? other = null)
        => SftDataset.From(Dataset.Of(rows), other ?? tokenizer, options, cache: cached ? Cache : null);

    [Theory]
    [InlineData(PackingStrategy.None)]
    [InlineData(PackingStrategy.BestFit)]
    [InlineData(PackingStrategy.BestFitSplit)]
    [InlineData(PackingStrategy.Wrapped)]
    public void Cached_tokens_are_those_that_are_computed(PackingStrategy packing)
    {
        var options = new SftDatasetOptions { Packing = packing, MaxLength = 24 };
        var expected = Sft(Texts(), options, cached: false);
        foreach (var found in new[] { Sft(Texts(), options), Sft(Texts(), options) })
        {
            (found.Count, found.TruncatedRows, found.DroppedRows).ShouldBe((expected.Count, expected.TruncatedRows, expected.DroppedRows));
            found.Warnings.ShouldBe(expected.Warnings);
            for (var row = 0; row < expected.Count; row++)
            {
                found.LengthOf(row).ShouldBe(expected.LengthOf(row));
                using var batch = found.GetBatch([row]);
                using var other = expected.GetBatch([row]);
                batch.InputIds.data<long>().ToArray().ShouldBe(other.InputIds.data<long>().ToArray());
                batch.Labels!.data<long>().ToArray().ShouldBe(other.Labels!.data<long>().ToArray());
            }
        }
        Entries.Count().ShouldBe(1);
    }

    [Fact]
    public void Pairs_are_kept_too()
    {
        var expected = PreferenceDataset.FromRows(Pairs(), tokenizer, new() { MaxLength = 20 });
        foreach (var _ in new[] { 1, 2 })
        {
            var found = PreferenceDataset.From(Dataset.Of(Pairs(), "preference dataset"), tokenizer, new() { MaxLength = 20 }, cache: Cache);
            (found.Count, found.TruncatedRows, found.DroppedRows).ShouldBe((expected.Count, expected.TruncatedRows, expected.DroppedRows));
            found.Warnings.ShouldBe(expected.Warnings);
            using var batch = found.GetBatch([0, 8, 3]);
            using var other = expected.GetBatch([0, 8, 3]);
            batch.InputIds.data<long>().ToArray().ShouldBe(other.InputIds.data<long>().ToArray());
            Enumerable.Range(0, found.Count).Select(found.LengthOf).ShouldBe(Enumerable.Range(0, found.Count).Select(expected.LengthOf));
        }
        Entries.Count().ShouldBe(1);
    }

    public static TheoryData<string> Kinds => ["reward", "reward with margins", "unpaired", "unpaired of pairs", "prompts", "steps", "classes", "values", "several classes", "tags", "text", "masked", "masked words", "questions", "instructions", "packed instructions"];

    private TrainingDataset Create(string kind, TokenCache? cache) => kind switch
    {
        "reward" => RewardDataset.From(Rows(i => new() { ["prompt"] = $"The dog {i}", ["chosen"] = " was happy.", ["rejected"] = Repeated(" was sad.", 1 + i) }), tokenizer, new() { MaxLength = 30 }, cache: cache),
        "reward with margins" => RewardDataset.From(Rows(i => new() { ["chosen"] = $"Happy {i}", ["rejected"] = "Sad.", ["margin"] = -1.25 + (i / 3.0) }), tokenizer, cache: cache),
        "unpaired" => UnpairedDataset.From(Rows(i => new() { ["prompt"] = $"The dog {i}", ["completion"] = " was happy.", ["label"] = i % 3 == 0 }), tokenizer, cache: cache),
        "unpaired of pairs" => UnpairedDataset.From(Dataset.Of(Pairs(), "dataset"), tokenizer, new() { MaxLength = 20 }, cache: cache),
        "prompts" => PromptDataset.From(Rows(i => new() { ["prompt"] = Repeated($"The dog {i} ", 1 + (i % 4)), ["number"] = i }), tokenizer, new() { MaxLength = 16 }, cache: cache),
        "steps" => StepwiseDataset.From(Rows(i => new() { ["prompt"] = $"Add {i}", ["completions"] = new JsonArray("One.", "Two."), ["labels"] = new JsonArray(true, i % 2 == 0) }), tokenizer, cache: cache),
        "classes" => Models.ClassificationDataset.From(Rows(i => new() { ["text"] = $"The dog {i}", ["label"] = i % 2 == 0 ? "even" : "odd", ["pair"] = "A cat" }), tokenizer, new() { PairField = "pair" }, cache: cache),
        "values" => Models.ClassificationDataset.From(Rows(i => new() { ["text"] = $"The dog {i}", ["label"] = i / 7.0 }), tokenizer, new() { Problem = Models.ProblemType.Regression }, cache: cache),
        "several classes" => Models.ClassificationDataset.From(Rows(i => new() { ["text"] = $"The dog {i}", ["label"] = i == 0 ? new JsonArray("b") : new JsonArray("a", "b") }), tokenizer, cache: cache),
        "tags" => Models.TaggingDataset.From(Rows(i => new() { ["tokens"] = new JsonArray("The", "dog", $"{i}"), ["tags"] = new JsonArray("O", "B-A", "O") }), tokenizer, cache: cache),
        "masked" or "masked words" => Models.MaskedDataset.FromFile(Lines(), Words, new() { MaxLength = 12, WholeWords = kind == "masked words" }, cache),
        "questions" => Models.QuestionAnsweringDataset.From(Questions(), tokenizer, new() { MaxLength = 40, Stride = 8 }, cache: cache),
        "instructions" or "packed instructions" => InstructionDataset.FromFile(Instructions(), tokenizer, new() { MaxLength = 24, Separator = " ", Layout = kind == "instructions" ? BatchLayout.Padded : BatchLayout.Packed }, null, cache),
        _ => TextDataset.FromFile(folder.Write("text.txt", Repeated("Once upon a time there was a dog. ", 20)), tokenizer, 16, cache),
    };

    // A tokenizer with a mask token, whose words have several tokens.
    private static readonly Tokenizer Words = new WordPieceTrainer { VocabularySize = 40, MaxLength = 64 }.Train(["the small dog runs over walking houses", "green water and the dog"]);

    private string Lines() => folder.Write("lines.txt", string.Join('\n', Enumerable.Range(0, 9).Select(i => Repeated("the dog runs over green houses ", i % 4))));

    private string Instructions() => folder.Write("pairs.jsonl", string.Join('\n', Enumerable.Range(0, 9).Select(i => new JsonObject { ["prompt"] = Repeated($"The dog {i} ", 1 + (i % 5)), ["completion"] = i == 4 ? "" : Repeated("was happy. ", i) }.ToJsonString())));

    // Answers in the first window, in a later one, in none, and an unanswerable question.
    private static Dataset Questions() => Rows(i => new()
    {
        ["question"] = $"Who was happy {i}?", ["context"] = Repeated("Once upon a time. ", i * 2) + $"The dog {i} was happy." + Repeated(" The end.", 9 - i),
        ["answers"] = i % 4 == 3 ? "" : $"dog {i}",
    });

    private static Dataset Rows(Func<int, JsonObject> row) => Dataset.Of(Enumerable.Range(0, 9).Select(row), "dataset");

    private static string Repeated(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    [Theory, MemberData(nameof(Kinds))]
    public void Rows_of_every_dataset_are_kept(string kind)
    {
        var expected = Create(kind, cache: null);
        foreach (var _ in new[] { 1, 2 })
        {
            var found = Create(kind, Cache);
            found.Count.ShouldBe(expected.Count);
            found.Warnings.ShouldBe(expected.Warnings);
            int[] rows = [.. Enumerable.Range(0, expected.Count)];
            rows.Select(found.LengthOf).ShouldBe(rows.Select(expected.LengthOf));
            using var batch = found.GetBatch(rows);
            using var other = expected.GetBatch(rows);
            Numbers(batch).ShouldBe(Numbers(other));
            if (found is AlignmentDataset alignment) (alignment.TruncatedRows, alignment.DroppedRows).ShouldBe((((AlignmentDataset)expected).TruncatedRows, ((AlignmentDataset)expected).DroppedRows));
            if (found is PromptDataset prompts) rows.Select(row => prompts.RowOf(row).ToJsonString()).ShouldBe(rows.Select(row => ((PromptDataset)expected).RowOf(row).ToJsonString()));
            if (found is Models.ClassificationDataset classes) (classes.Labels.Problem, string.Join(' ', classes.Labels)).ShouldBe((((Models.ClassificationDataset)expected).Labels.Problem, string.Join(' ', ((Models.ClassificationDataset)expected).Labels)));
            if (found is Models.TaggingDataset tags) tags.Labels.ShouldBe(((Models.TaggingDataset)expected).Labels);
        }
        Entries.Count().ShouldBe(1);
    }

    // All tensors of a batch, by name.
    private static IReadOnlyList<string> Numbers(Batch batch)
        => [.. batch.Extra.Append(new("ids", batch.InputIds)).Append(new("mask", batch.AttentionMask!)).Append(new("labels", batch.Labels!)).Where(each => each.Value is not null).OrderBy(each => each.Key, StringComparer.Ordinal)
            .Select(each => $"{each.Key}: {string.Join(' ', each.Value.to_type(TorchSharp.torch.ScalarType.Float64).contiguous().data<double>().ToArray())}")];

    [Fact]
    public void A_tokenizer_without_a_fingerprint_is_not_cached()
        => Should.Throw<ArgumentException>(() => TextDataset.FromFile(folder.Write("text.txt", "abcdefgh"), new CharacterTokenizer(), 2, Cache)).Message.ShouldContain("has no fingerprint");

    [Fact]
    public void Other_content_has_another_entry()
    {
        Sft(Texts());
        Sft(Texts(tail: "!"));
        Sft(Texts(), new() { MaxLength = 10 });
        Sft(Texts(), new() { Template = new() { Variables = new Dictionary<string, object?> { ["x"] = 1 } } });
        var other = Tokenizer.FromPretrained(Stories);
        other.AddTokens([new("Once")]);
        Sft(Texts(), other: other);
        var chat = Tokenizer.FromPretrained(Stories);
        chat.ChatTemplate = ChatTemplate.Parse("{{ messages }}");
        Sft(Texts(), other: chat);
        Entries.Count().ShouldBe(6);
        Sft(Texts());
        Entries.Count().ShouldBe(6);
    }

    [Fact]
    public void Options_that_change_tokens_make_another_entry_and_others_do_not()
    {
        void Masked(Models.MaskedOptions options) => Models.MaskedDataset.FromFile(Lines(), Words, options, Cache);
        void Instructed(InstructionOptions options) => InstructionDataset.FromFile(Instructions(), tokenizer, options, null, Cache);
        void Asked(Models.QuestionAnsweringOptions options) => Models.QuestionAnsweringDataset.From(Questions(), tokenizer, options, cache: Cache);

        Masked(new() { MaxLength = 12 });
        Masked(new() { MaxLength = 12, Seed = 3, MaskProbability = 0.3, ReplacedShare = 0.5, RandomShare = 0.2 });
        Entries.Count().ShouldBe(1);
        Masked(new() { MaxLength = 12, WholeWords = true });
        Masked(new() { MaxLength = 13 });
        Entries.Count().ShouldBe(3);

        Instructed(new() { MaxLength = 60 });
        Instructed(new() { MaxLength = 60, Layout = BatchLayout.Packed });
        Entries.Count().ShouldBe(4);
        Instructed(new() { MaxLength = 61 });
        Instructed(new() { MaxLength = 60, Separator = " " });
        Instructed(new() { MaxLength = 60, AppendEndOfSequence = false });
        Entries.Count().ShouldBe(7);

        Asked(new() { MaxLength = 60, Stride = 8 });
        Asked(new() { MaxLength = 60, Stride = 8, MaxAnswerTokens = 5 });
        Entries.Count().ShouldBe(8);
        Asked(new() { MaxLength = 60, Stride = 9 });
        Asked(new() { MaxLength = 59, Stride = 8 });
        Entries.Count().ShouldBe(10);
    }

    [Fact]
    public void Cached_questions_are_measured_as_those_in_memory()
    {
        Models.QuestionAnsweringDataset From(TokenCache? cache) => Models.QuestionAnsweringDataset.From(Questions(), tokenizer, new() { MaxLength = 40, Stride = 8 }, cache: cache);
        var expected = From(null);
        _ = From(Cache);
        var found = From(Cache);
        found.QuestionCount.ShouldBe(9);
        // The span that each window's label names, as logits [1, sequence, 2].
        TorchSharp.torch.Tensor Logits(Models.QuestionAnsweringDataset data, int row)
        {
            using var batch = data.GetBatch([row]);
            var logits = TorchSharp.torch.zeros(1, data.LengthOf(row), 2);
            for (var i = 0; i < 2; i++) logits[0, batch.Labels![0, i].item<long>(), i] = row + 1;
            return logits;
        }
        var (one, other) = (expected.Measure(), found.Measure());
        for (var row = 0; row < expected.Count; row++)
        {
            one.Add([row], Logits(expected, row));
            other.Add([row], Logits(found, row));
        }
        other.Result().ShouldBe(one.Result());
        other.Result()["exact_match"].ShouldBeGreaterThan(0.5);
    }

    [Fact]
    public void An_invalid_instruction_leaves_no_entry()
    {
        Should.Throw<DatasetException>(() => InstructionDataset.FromFile(folder.Write("bad.jsonl", """
            {"prompt":"a","completion":"b"}
            {"prompt":"a"}
            """), tokenizer, null, null, Cache)).Message.ShouldContain("line 2");
        Should.Throw<DatasetException>(() => InstructionDataset.FromFile(folder.Write("empty.jsonl", """{"prompt":"a","completion":""}"""), tokenizer, null, null, Cache)).Message.ShouldContain("None of the 1 rows");
        Should.Throw<DatasetException>(() => Models.MaskedDataset.FromFile(folder.Write("empty.txt", "\n\n"), Words, null, Cache)).Message.ShouldContain("no tokens to mask");
        Entries.ShouldBeEmpty();
    }

    [Fact]
    public void What_is_found_is_not_tokenized_again()
    {
        Sft(Texts());
        // Tokens that no text has, so that a second tokenization would show.
        var tokens = Path.Combine(Entries.Single(), "tokens.bin");
        var changed = File.ReadAllBytes(tokens);
        BitConverter.GetBytes(7).CopyTo(changed, 0);
        File.WriteAllBytes(tokens, changed);
        using var batch = Sft(Texts()).GetBatch([0]);
        batch.InputIds[0, 0].item<long>().ShouldBe(7);
    }

    [Fact]
    public void A_row_that_is_invalid_leaves_no_entry()
    {
        Should.Throw<DatasetException>(() => Sft([.. Texts(), new() { ["other"] = 1 }])).Message.ShouldContain("Row 30");
        Entries.ShouldBeEmpty();
        Sft(Texts()).Count.ShouldBe(30);
    }

    [Theory]
    [InlineData("tokens.bin")]
    [InlineData("rows.bin")]
    [InlineData("sequences.bin")]
    [InlineData("dataset.json")]
    public void A_damaged_entry_is_refused(string file)
    {
        Sft(Texts());
        var path = Path.Combine(Entries.Single(), file);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^3]);
        Should.Throw<DatasetException>(() => Sft(Texts())).Message.ShouldContain("delete");
    }

    [Fact]
    public void An_entry_that_others_complete_meanwhile_stays_as_it_is()
    {
        // Begun before the other one completes the entry, and only after that.
        var found = Rows(add =>
        {
            Rows(inner => inner([[1, 2]])).Rows[0].ShouldBe([[1, 2]]);
            add([[3]]);
        });
        found.Rows.Count.ShouldBe(1);
        found.Rows[0].ShouldBe([[1, 2]]);
        Directory.EnumerateFileSystemEntries(Cache.Folder).ShouldBe(Entries);

        (TokenRows Rows, TokenizedFacts Facts) Rows(Action<Action<long[][]>> tokenize) => TokenCache.Rows(Cache, () => new string('0', 64), add =>
        {
            tokenize(add);
            return new(0, 0, []);
        });
    }

    [Fact]
    public void Nothing_is_written_within_an_entry()
    {
        // As if others complete the entry between the look at it and the first file: nobody would delete what a killed process leaves in it.
        var entry = Directory.CreateDirectory(Path.Combine(Cache.Folder, new string('0', 32))).FullName;
        TokenCache.Rows(Cache, () => new string('0', 64), add =>
        {
            add([[1, 2]]);
            Directory.EnumerateFileSystemEntries(entry).ShouldBeEmpty();
            return new(0, 0, []);
        }).Rows[0].ShouldBe([[1, 2]]);
        Directory.EnumerateFileSystemEntries(Cache.Folder).ShouldBe([entry]);
    }

    [Fact]
    public void Threads_tokenize_the_same_dataset_at_once()
    {
        var counts = new int[8];
        Parallel.For(0, counts.Length, i => counts[i] = Sft(Texts()).Count);
        counts.ShouldAllBe(count => count == 30);
        Entries.Count().ShouldBe(1);
    }

    [Fact]
    public void A_run_on_cached_rows_ends_as_one_on_rows_in_memory()
    {
        Losses(cached: true).ShouldBe(Losses(cached: false));

        IReadOnlyList<double> Losses(bool cached)
        {
            using var model = Models.CausalLM.FromPretrained(Stories);
            using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4 });
            var losses = new List<double>();
            SftTrainer.Create(peft, Sft(Texts(), cached: cached), training: new() { MaxSteps = 6, BatchSize = 4, Seed = 3 }).Train(new ImmediateProgress(step => losses.Add(step.Loss)));
            return losses;
        }
    }

    private sealed class ImmediateProgress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
