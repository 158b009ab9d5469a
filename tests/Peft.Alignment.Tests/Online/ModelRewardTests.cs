using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

public sealed class ModelRewardTests
{
    private static Completion Of(int[] prompt, int[] tokens) => new() { Row = 0, Prompt = prompt, Tokens = tokens, IsTruncated = tokens[^1] != TinyModel.EndOfSequence };

    private static double Score(SequenceClassifier model, params long[] ids)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return model.call(new ModelInput { InputIds = tensor(ids).unsqueeze(0), AttentionMask = ones(1, ids.Length, ScalarType.Int64) }).item<float>();
    }

    [Fact]
    public void Scores_are_those_of_prompt_and_completion_with_an_end_token_whatever_the_batch()
    {
        using var model = RewardTests.Classifier();
        model.train();
        Completion[] completions = [Of([5, 6], [7, 8, 9]), Of([5], [7, TinyModel.EndOfSequence]), Of([5, 6, 7, 8], [9])];
        double[] expected = [Score(model, 5, 6, 7, 8, 9, TinyModel.EndOfSequence), Score(model, 5, 7, TinyModel.EndOfSequence), Score(model, 5, 6, 7, 8, 9, TinyModel.EndOfSequence)];
        foreach (var batchSize in new[] { 1, 2, 64 })
        {
            var scores = RewardFunction.Call([RewardFunction.OfModel("model", model, batchSize)], completions, default).Select(row => row[0]).ToList();
            foreach (var (score, wanted) in scores.Zip(expected)) score.ShouldBe(wanted, 1e-5);   // float32, padded or not
        }
        model.training.ShouldBeTrue("the mode is restored");
    }

    [Fact]
    public void An_adapters_scores_change_with_it()
    {
        using var model = RewardTests.Classifier();
        Completion[] completions = [Of([5, 6], [7, 8, 9])];
        double Now() => RewardFunction.Call([RewardFunction.OfModel("model", model)], completions, default)[0][0];
        var before = Now();
        using var peft = model.ApplyLora(rank: 4);
        peft.Shake(0.1, seed: 5);
        Now().ShouldNotBe(before);
        using (peft.WithoutAdapters()) Now().ShouldNotBe(double.NaN);
    }

    [Fact]
    public void Models_of_several_labels_and_tokens_of_another_vocabulary_are_refused()
    {
        using var two = RewardTests.Classifier(labels: 2);
        Should.Throw<AdapterOptionsException>(() => RewardFunction.OfModel("model", two)).Message.ShouldContain("LabelCount 1");
        using var model = RewardTests.Classifier();
        Should.Throw<RewardException>(() => RewardFunction.Call([RewardFunction.OfModel("model", model)], [Of([5], [TinyModel.Vocabulary])], default)).Message.ShouldContain("not in the reward model's vocabulary");
        Should.Throw<ArgumentOutOfRangeException>(() => RewardFunction.OfModel("model", model, 0));
    }
}
