using static Peft.Models.Tests.Tasks.TaskModels;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Tasks;

public class EmbeddingTests
{
    private static readonly string[] Texts = ["noble", "the heart of the world and the night before", "speak, prince!"];

    [Theory]
    [InlineData(Pooling.Cls)]
    [InlineData(Pooling.Mean)]
    [InlineData(Pooling.Last)]
    public void A_text_becomes_a_vector_whatever_its_batch(Pooling pooling)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = FeatureExtractor.FromConfig(Bert, 3);
        var vectors = model.Embed(Texts, Pieces, new() { Pooling = pooling, Normalize = false, BatchSize = 2 });
        for (var i = 0; i < Texts.Length; i++)
        {
            var hidden = model.forward(tensor(Pieces.Encode(Texts[i]).Select(id => (long)id).ToArray()).unsqueeze(0))[0];
            var expected = pooling switch { Pooling.Cls => hidden[0], Pooling.Mean => hidden.mean([0]), _ => hidden[hidden.shape[0] - 1] };
            tensor(vectors[i]).Difference(expected).ShouldBeLessThan(1e-5);
            var unit = model.Embed(Texts[i], Pieces, new() { Pooling = pooling });
            Math.Sqrt(unit.Sum(each => each * each)).ShouldBe(1, 1e-5);
            tensor(unit).Difference(expected.div(expected.norm())).ShouldBeLessThan(1e-5);
        }
    }

    [Fact]
    public void Models_with_heads_embed_too_and_what_makes_no_sense_is_refused()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromConfig(Llama, 3);
        var plain = model.Embed(Texts, Pieces);
        plain[0].Length.ShouldBe(32);
        using var peft = model.ApplyLora(rank: 2);
        model.Embed(Texts, Pieces)[1].ShouldBe(plain[1], 1e-5f);
        Should.Throw<ArgumentException>(() => model.Embed("noble", Pieces, new() { Pooling = Pooling.Cls })).Message.ShouldContain("attends to none of the others");
        Should.Throw<ArgumentException>(() => model.Embed(["noble", ""], Pieces)).Message.ShouldContain("Text 1");
        using var t5 = Seq2SeqLM.FromPretrained(Reference.Folder("t5"));
        Should.Throw<NotSupportedException>(() => t5.Embed("noble", Pieces)).Message.ShouldContain("encoder-decoder");
    }
}
