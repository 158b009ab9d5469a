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

    // The template writes a line break after the end of an answer, where the model was trained to give its score.
    [Fact]
    public void Answers_of_conversations_are_scored_as_the_model_was_trained()
    {
        using var scope = NewDisposeScope();
        var tokenizer = Chats.Tokenizer();
        using var model = RewardTests.Classifier(vocabulary: 1000);
        var prompt = Chats.Row($$"""{"prompt": [{{Chats.Message("user", "Why?")}}]}""");
        var data = RewardDataset.FromRows([new() { ["prompt"] = prompt["prompt"]!.DeepClone(), ["chosen"] = System.Text.Json.Nodes.JsonNode.Parse($"[{Chats.Message("assistant", "So")}]"), ["rejected"] = System.Text.Json.Nodes.JsonNode.Parse($"[{Chats.Message("assistant", "No")}]") }], tokenizer);
        var expected = Score(model, data.Pairs[0].Chosen);
        var completion = Of([5], [.. tokenizer.Encode("So<|im_end|>")]) with { Fields = prompt, Text = "So" };
        RewardFunction.Call([RewardFunction.OfModel("model", model, tokenizer: tokenizer)], [completion], default)[0][0].ShouldBe(expected, 1e-5);
        Should.Throw<RewardException>(() => RewardFunction.Call([RewardFunction.OfModel("model", model)], [completion], default)).Message.ShouldContain("give RewardFunction.OfModel the tokenizer");
        Should.Throw<RewardException>(() => RewardFunction.Call([RewardFunction.OfModel("model", model, tokenizer: tokenizer)], [completion with { Text = null }], default)).Message.ShouldContain("set RolloutOptions.Tokenizer");
        Should.Throw<RewardException>(() => RewardFunction.Call([RewardFunction.OfModel("model", model, tokenizer: tokenizer)], [completion with { ToolCalls = [new("1", "look")] }], default)).Message.ShouldContain("calls tools");
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
