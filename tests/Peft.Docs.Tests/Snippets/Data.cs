using System.IO.Compression;
using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Data : InFolder
{
    [Fact]
    public void Datasets_are_loaded()
    {
        CopyData("banking77");
        File.WriteAllText("notes.txt", "one\ntwo\n");
        using (var stream = new StreamWriter(new GZipStream(File.Create("chats.jsonl.gz"), CompressionLevel.Fastest))) stream.WriteLine("{\"messages\": []}");
        Directory.CreateDirectory("data");
        foreach (var i in new[] { 0, 1 }) File.WriteAllText($"data/train-{i}.jsonl", $"{{\"text\": \"{i}\"}}\n");
        // snippet: data-load
        var lines = Dataset.Load("notes.txt");                                     // one row per line, with the column "text"
        var chats = Dataset.Load("chats.jsonl.gz");                                // JSON Lines; also .json, .csv, .tsv, .parquet, .arrow
        var shards = Dataset.Load("data/train-*.jsonl");                            // several files
        var folder = Dataset.Load("banking77", new() { Split = "test" });           // a dataset folder in Hugging Face's layout
        Console.WriteLine($"{folder.Format}: {string.Join(", ", folder.Columns)}"); // Classification: text, label
        // end
        lines.Count().ShouldBe(2);
        chats.Format.ShouldBe(DatasetFormat.Messages);
        shards.Select(row => row.Fields["text"]!.GetValue<string>()).ShouldBe(["0", "1"]);
        folder.Format.ShouldBe(DatasetFormat.Classification);
        folder.Columns.ShouldBe(["text", "label"]);
    }

    [Fact]
    public void Columns_are_mapped_to_what_a_trainer_reads()
    {
        File.WriteAllLines("questions.jsonl", Enumerable.Range(0, 20).Select(i => $$"""{"question": "What is {{i}}?", "answer": " A number.", "source": "{{(i % 4 == 0 ? "spam" : "book")}}"}"""));
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 2);
        // snippet: data-columns
        var data = Dataset.Load("questions.jsonl")                                                       // {"question": …, "answer": …, "source": …}
            .Filter(row => row["source"]!.GetValue<string>() != "spam")
            .RenameColumns(new Dictionary<string, string> { ["question"] = "prompt", ["answer"] = "completion" })
            .SelectColumns("prompt", "completion");
        var (train, test) = data.TrainTestSplit(testShare: 0.25, seed: 1);
        var trainer = SftTrainer.Create(peft, SftDataset.From(train, tokenizer), evaluation: SftDataset.From(test, tokenizer),
            training: new() { MaxSteps = 2, BatchSize = 2, EvaluationBatchSize = 2 });
        trainer.Train();
        // end
        (train.Count(), test.Count()).ShouldBe((11, 4));
        data.Format.ShouldBe(DatasetFormat.PromptCompletion);
    }

    [Fact]
    public void Tokens_are_kept_on_disk()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        for (var start = 1; start <= 2; start++)
        {
            // snippet: data-cache
            var cache = new TokenCache("cache");
            var rows = SftDataset.From(Dataset.Load("train.txt"), tokenizer, new() { MaxLength = 64, Packing = PackingStrategy.Wrapped }, cache: cache);
            // end
            rows.Count.ShouldBeGreaterThan(0);
            Directory.GetDirectories("cache").Length.ShouldBe(1);
        }
    }

    [Fact]
    public void Rows_are_tokenized_in_the_background()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 2);
        // snippet: data-stream
        using var rows = StreamedDataset.From(Dataset.Load("train.txt"), batch => SftDataset.From(batch, tokenizer, new() { MaxLength = 64 }));
        var result = SftTrainer.Create(peft, rows, training: new() { MaxSteps = 2, BatchSize = 2 }).Train();
        // end
        result.Steps.ShouldBe(2);
        rows.Count.ShouldBe(Dataset.Load("train.txt").Count());
    }
}
