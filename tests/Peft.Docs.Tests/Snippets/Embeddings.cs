using Microsoft.Extensions.AI;
using Peft.Models;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft.Docs.Tests.Snippets;

public class Embeddings : InFolder
{
    [Fact]
    public async Task Texts_are_embedded_and_an_adapter_learns_which_belong_together()
    {
        (string Text, string Partner)[] pairs = [("The cat sat.", "Lily went home."), ("A dog ran.", "Tom ate cake."), ("The sun was hot.", "Ben found a ball."), ("They all played.", "Mom said no.")];
        // snippet: embed
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = FeatureExtractor.FromPretrained("models/stories260K");
        IReadOnlyList<float[]> vectors = model.Embed(["The cat sat.", "A dog ran.", "The cat sat down."], tokenizer);
        double cosine = vectors[0].Zip(vectors[2], (a, b) => a * b).Sum();                     // vectors are normalized to length 1
        // end
        cosine.ShouldBeInRange(0.5, 1);

        // snippet: embed-train
        using var peft = model.ApplyLora(rank: 8, targets: "all-linear");
        var data = TrainingDataset.From(pairs.Length, rows =>                                  // a batch: all first texts, then their partners
        {
            var texts = rows.Select(row => pairs[row].Text).Concat(rows.Select(row => pairs[row].Partner));
            var encoded = tokenizer.EncodeBatch(texts, new() { Padding = PaddingStrategy.Longest, PaddingSide = Side.Right, PadId = 0 });
            Tensor Rows(Func<TokenEncoding, IReadOnlyList<int>> part) => stack(encoded.Select(text => tensor(part(text).Select(id => (long)id).ToArray())));
            return new() { InputIds = Rows(text => text.Ids), AttentionMask = Rows(text => text.AttentionMask), Weight = rows.Count };
        });
        var trainer = new Trainer(peft, data, new() { Epochs = 40, BatchSize = 4, LearningRate = 5e-3 })
        {
            Loss = batch =>
            {
                var vectors = model.Embed(ModelInput.From(batch), normalize: true).chunk(2);
                var scores = vectors[0].mm(vectors[1].t()) / 0.05;                             // cosine similarities over a temperature
                return functional.cross_entropy(scores, arange(scores.shape[0]));
            },
        };
        trainer.Train();
        // end
        Found(pairs, text => model.Embed(text, tokenizer)).ShouldBe(pairs.Length);
        using (peft.WithoutAdapters()) Found(pairs, text => model.Embed(text, tokenizer)).ShouldBeLessThan(pairs.Length, "the adapter has learned it");

        // snippet: embed-use
        peft.SaveAdapter("out/search");
        using var generator = model.AsEmbeddingGenerator(tokenizer);                           // IEmbeddingGenerator of Microsoft.Extensions.AI, for vector stores
        GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync(["The cat sat."]);
        peft.SaveOnnx("out/search.onnx");                                                      // its output sentence_embedding is the mean over the tokens
        peft.SaveOnnxAdapter("out/search.onnx_adapter");
        // end
        var expected = model.Embed("The cat sat.", tokenizer, new() { Normalize = false });
        embeddings[0].Vector.ToArray().Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5f);
        File.Exists("out/search.onnx_adapter").ShouldBeTrue();
    }

    // The number of texts that are closest to their own partner.
    private static int Found((string Text, string Partner)[] pairs, Func<string, float[]> embed)
    {
        var partners = pairs.Select(pair => embed(pair.Partner)).ToArray();
        return pairs.Select(pair => embed(pair.Text)).Where((text, row) => partners.Select(partner => partner.Zip(text, (a, b) => a * b).Sum()).Index().MaxBy(each => each.Item).Index == row).Count();
    }
}
