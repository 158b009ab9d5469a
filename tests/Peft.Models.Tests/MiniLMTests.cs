using System.Text.Json;
using IntentClassification;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>A real sentence encoder from an ONNX file, against what transformers computes with the same folder (Data/make_minilm.py).</summary>
public sealed class MiniLMTests : IClassFixture<MiniLMFolder>, IDisposable
{
    // Float32 sums in another order, through six layers; the outputs are of the order of 1.
    private const double Tolerance = 1e-5;

    private static readonly Expected Reference = JsonSerializer.Deserialize<Expected>(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "minilm.json")), JsonSerializerOptions.Web)!;

    private readonly string folder;
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();
    private readonly IDisposable grad = no_grad();

    public MiniLMTests(MiniLMFolder made) => folder = made.Path;

    public void Dispose()
    {
        scope.Dispose();
        grad.Dispose();
    }

    private static ModelInput Input => new() { InputIds = tensor(Rows(Reference.Ids)), AttentionMask = tensor(Rows(Reference.Mask)) };

    [Fact]
    public void The_tokenizer_of_vocab_txt_gives_transformers_ids()
    {
        var tokenizer = Tokenizer.FromPretrained(folder);
        foreach (var (text, ids, mask) in Reference.Texts.Zip(Reference.Ids, Reference.Mask)) tokenizer.Encode(text).Select(id => (long)id).ShouldBe(ids[..(int)mask.Sum()]);
        (tokenizer.PadId, tokenizer.ClassifierId, tokenizer.SeparatorId, tokenizer.UnknownId, tokenizer.MaskId, tokenizer.MaxLength).ShouldBe((0, 101, 102, 100, 103, 512));
    }

    [Fact]
    public void Hidden_states_are_transformers()
    {
        using var model = FeatureExtractor.FromPretrained(folder);
        var hidden = model.forward(Input);
        hidden.select(1, 0).Difference(tensor(Rows(Reference.First))).ShouldBeLessThan(Tolerance);
        foreach (var (row, mask) in Reference.Mask.Index())
            hidden[row][mask.Sum() - 1].Difference(tensor(Reference.LastToken[row])).ShouldBeLessThan(Tolerance);
    }

    [Fact]
    public void Embeddings_are_transformers_and_bring_together_what_means_the_same()
    {
        using var model = FeatureExtractor.FromPretrained(folder);
        var embeddings = model.Embed(Input, normalize: true);
        embeddings.Difference(tensor(Rows(Reference.Embeddings))).ShouldBeLessThan(Tolerance);
        var cosines = embeddings.mm(embeddings.t());
        cosines[0, 1].item<float>().ShouldBeGreaterThan(0.7f);   // a card that has not come, twice
        cosines[0, 3].item<float>().ShouldBeLessThan(0.1f);      // a card and the weather
    }

    [Fact]
    public void The_intents_of_banking77_are_told_apart_by_the_mean_embedding_of_eight_texts_each()
    {
        using var model = FeatureExtractor.FromPretrained(folder);
        var tokenizer = Tokenizer.FromPretrained(folder);
        var train = Texts("train.jsonl").GroupBy(row => row.Label).OrderBy(group => group.Key, StringComparer.Ordinal).Where((_, i) => i % 4 == 0).ToList();
        var means = stack([.. train.Select(group => Embed(group.Take(8)).mean([0]))]);
        var test = Texts("test.jsonl").Where(row => train.Any(group => group.Key == row.Label)).Take(100).ToList();
        var nearest = Embed(test).mm(means.t()).argmax(1).data<long>().ToArray();
        nearest.Zip(test).Count(pair => train[(int)pair.First].Key == pair.Second.Label).ShouldBeGreaterThan(80);   // 5 by chance, and 20 intents

        Tensor Embed(IEnumerable<Row> rows)
        {
            var ids = rows.Select(row => tokenizer.Encode(row.Text)).ToList();
            var width = ids.Max(each => each.Count);
            return model.Embed(new ModelInput
            {
                InputIds = tensor(Rows(ids.Select(each => each.Select(id => (long)id).Concat(Enumerable.Repeat(0L, width - each.Count)).ToArray()).ToArray())),
                AttentionMask = tensor(Rows(ids.Select(each => Enumerable.Range(0, width).Select(i => i < each.Count ? 1L : 0).ToArray()).ToArray())),
            }, normalize: true);
        }

        static IEnumerable<Row> Texts(string name) => File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "banking77", name)).Select(line => JsonSerializer.Deserialize<Row>(line, JsonSerializerOptions.Web)!);
    }

    private sealed record Row(string Text, string Label);

    [Fact]
    public void The_pooler_is_transformers_too()
    {
        using var model = FeatureExtractor.FromPretrained(folder);
        using var weights = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
        var pooled = model.forward(Input).select(1, 0).mm(weights.Read("pooler.dense.weight").t()).add(weights.Read("pooler.dense.bias")).tanh();
        pooled.Difference(tensor(Rows(Reference.Pooled))).ShouldBeLessThan(Tolerance);
        weights.Tensors.Count.ShouldBe(103);
    }

    [Fact]
    public void The_folder_is_not_written_again()
    {
        var written = File.GetLastWriteTimeUtc(Path.Combine(folder, "model.safetensors"));
        MiniLM.In(folder).ShouldBe(folder);
        File.GetLastWriteTimeUtc(Path.Combine(folder, "model.safetensors")).ShouldBe(written);
        Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]);
    }

    private static T[,] Rows<T>(T[][] rows)
    {
        var result = new T[rows.Length, rows[0].Length];
        for (var i = 0; i < rows.Length; i++)
            for (var j = 0; j < rows[i].Length; j++) result[i, j] = rows[i][j];
        return result;
    }

    private sealed record Expected(string[] Texts, long[][] Ids, long[][] Mask, float[][] First, [property: System.Text.Json.Serialization.JsonPropertyName("last_token")] float[][] LastToken, float[][] Pooled, float[][] Embeddings);
}

/// <summary>The model's folder, written once for all tests.</summary>
public sealed class MiniLMFolder : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public MiniLMFolder() => Path = MiniLM.In(folder);

    public string Path { get; }

    public void Dispose() => folder.Dispose();
}
