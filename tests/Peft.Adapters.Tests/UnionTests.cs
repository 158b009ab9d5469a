using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>The head of a classifier in a union: every part alone would train it.</summary>
public sealed class UnionTests : IDisposable
{
    private static readonly ModelConfig Bert = ModelConfig.Parse("""
        { "model_type": "bert", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64, "type_vocab_size": 2, "initializer_range": 0.4 }
        """);

    private static readonly ModelConfig Llama = ModelConfig.Parse("""
        { "model_type": "llama", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64, "pad_token_id": 0, "initializer_range": 0.4 }
        """);

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();
    private readonly Tensor ids = tensor(new long[,] { { 5, 6, 7, 8, 9, 10 }, { 11, 4, 7, 30, 0, 0 }, { 3, 12, 13, 0, 0, 0 }, { 21, 22, 5, 6, 1, 0 } });
    private readonly Tensor labels = tensor(new long[] { 0, 1, 1, 0 });

    public void Dispose()
    {
        folder.Dispose();
        scope.Dispose();
    }

    private Batch Batch() => new() { InputIds = ids.clone(), AttentionMask = ids.ne(0).to_type(ScalarType.Int64), Labels = labels.clone() };

    private Tensor Logits(SequenceClassifier model)
    {
        using var _ = no_grad();
        model.eval();
        return model.forward(ModelInput.From(Batch()));
    }

    private double Loss(Tensor logits) => nn.functional.cross_entropy(logits, labels).item<float>();

    private void Train(PeftModel peft) => new Trainer(peft, TrainingDataset.From(1, _ => Batch()), new TrainingOptions { MaxSteps = 20, BatchSize = 1, LearningRate = 1e-2, Schedule = LearningRateSchedule.Constant }).Train();

    [Theory]
    [InlineData("bert", "classifier")]
    [InlineData("llama", "score")]
    public void The_head_is_trained_and_saved_once(string type, string head)
    {
        using var model = SequenceClassifier.FromConfig(type == "bert" ? Bert : Llama, seed: 3);
        var before = model.Bits();
        var untrained = Logits(model);
        using var peft = ((IPromptedModel)model).ApplyUniPelt(virtualTokens: 3, encoderSize: 6, reductionFactor: 4, rank: 2);
        peft.Trainables.Count(each => each.Name.EndsWith($"{head}.weight", StringComparison.Ordinal)).ShouldBe(1);
        Train(peft);
        var trained = Logits(model);
        Loss(trained).ShouldBeLessThan(0.8 * Loss(untrained));
        peft.SavedBits().Keys.Count(key => key.EndsWith($"{head}.weight", StringComparison.Ordinal)).ShouldBe(1);
        peft.SaveAdapter(folder);

        using var other = SequenceClassifier.FromConfig(type == "bert" ? Bert : Llama, seed: 3);
        using (no_grad()) other.Head.Weight.zero_();   // the trained head comes from the file
        using var loaded = other.ApplyAdapter(folder);
        loaded.SavedBits().ShouldBeBits(peft.SavedBits());
        Logits(other).Difference(trained).ShouldBe(0);

        peft.Unload();
        model.ShouldHaveBits(before);
        Logits(model).Difference(untrained).ShouldBe(0);
    }

    [Fact]
    public void Merging_keeps_the_trained_head_and_unmerging_restores_the_original_one()
    {
        using var model = SequenceClassifier.FromConfig(Llama, seed: 3);
        var before = model.Bits();
        using var peft = model.ApplyAdapter(new UnionOptions { Parts = [new Ia3Options(), new OftOptions { BlockSize = 4 }] });
        Train(peft);
        var trained = Logits(model);
        peft.Merge();
        Logits(model).Difference(trained).ShouldBeLessThan(1e-5);
        peft.Unmerge();
        model.ShouldHaveBits(before);
        Logits(model).Difference(trained).ShouldBe(0);
        peft.MergeAndUnload();
        Logits(model).Difference(trained).ShouldBeLessThan(1e-5);
    }
}
