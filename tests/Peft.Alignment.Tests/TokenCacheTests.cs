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
