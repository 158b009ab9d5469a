using Peft.Models.Tests.Generation;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Predictions of a batch, whose padding and shared prompts are not computed, against those of its rows alone.</summary>
public class PredictTests
{
    private const TokenStatistics All = TokenStatistics.Entropy | TokenStatistics.LogSquaredSum | TokenStatistics.MeanLogit | TokenStatistics.IsGreedy;

    // Two completions of one prompt, one of another, and another of the first.
    private static readonly (int[] Prompt, int[] Completion)[] Texts = [([3, 9, 4, 7, 11], [5, 8, 2]), ([3, 9, 4, 7, 11], [6]), ([8, 4], [3, 3, 9, 10, 2]), ([3, 9, 4, 7, 11], [5, 8, 2, 12, 7])];

    private static int Width => Texts.Max(text => text.Prompt.Length + text.Completion.Length);

    [Theory]
    [InlineData("llama", false), InlineData("llama", true), InlineData("gpt2", false), InlineData("opt", false), InlineData("opt", true), InlineData("mistral", false), InlineData("mistral", true), InlineData("gemma", false), InlineData("phi3", true)]
    public void Rows_of_a_batch_are_predicted_as_alone(string kind, bool left)
    {
        using var scope = NewDisposeScope();
        using var model = (CausalLM)TinyModels.Create(kind, vocabulary: 16);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ModuleSelector.AllLinear });
        peft.Shake(0.3, seed: 2);
        model.train();
        var (input, labels) = Padded(Texts, left);

        peft.Trainables.ToList().ForEach(each => each.Value.grad = null);
        var together = model.Predict(input, labels, All, 0.7);
        Loss(together).backward();
        var gradients = peft.Trainables.Select(each => each.Value.grad!.clone()).ToList();

        peft.Trainables.ToList().ForEach(each => each.Value.grad = null);
        for (var row = 0; row < 4; row++)
        {
            var length = Texts[row].Prompt.Length + Texts[row].Completion.Length;
            var (one, own) = Padded([Texts[row]], left);
            var alone = model.Predict(one, own, All, 0.7);
            foreach (var (expected, actual) in Values(alone).Zip(Values(together)))
            {
                actual[row].narrow(0, left ? Width - length : 0, length - 1).Difference(expected[0]).ShouldBeLessThan(1e-4);
                actual[row].abs().sum().item<float>().ShouldBe(expected.abs().sum().item<float>(), 1e-3, "it is 0 elsewhere");
            }
            Loss(alone).backward();
        }
        gradients.Zip(peft.Trainables).ShouldAllBe(pair => pair.First.RelativeDifference(pair.Second.Value.grad!) < 1e-3);
    }

    [Fact]
    public void A_shared_prompt_is_computed_once()
    {
        using var scope = NewDisposeScope();
        using var model = (CausalLM)TinyModels.Create("llama", vocabulary: 16);
        using var peft = model.ApplyLora(rank: 4);
        // 3 · 5 + 2 tokens of prompts and 14 of completions, of which four tokens of a prompt are shared by three.
        Positions(peft, model, shared: true).ShouldBe(14 + 17 - 2 * 4);
        Positions(peft, model, shared: false).ShouldBe(14 + 17);
    }

    [Fact]
    public void Adapters_that_see_several_positions_get_whole_rows()
    {
        using var scope = NewDisposeScope();
        using var model = (CausalLM)TinyModels.Create("llama", vocabulary: 16);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ModuleSelector.AllLinear, AloraInvocationTokens = [7, 11] });
        peft.Shake(0.3, seed: 2);
        Positions(peft, model, shared: true).ShouldBe(14 + 17);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_split_predicts_each_run_of_positions_as_its_adapter_alone(bool left)
    {
        const int first = 6;
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = (CausalLM)TinyModels.Create("llama", vocabulary: 16);
        using var peft = new PeftModel(model);
        // In the last feed-forward network alone, so that no position reads what the other adapter has changed.
        foreach (var name in new[] { "a", "b" })
        {
            peft.Add(name, new LoraOptions { Rank = 4, TargetModules = ["down_proj"], LayersToTransform = [model.Spec.LayerCount - 1] });
            peft.Activate(name);
            peft.Shake(0.3, seed: name[0]);
        }
        var (input, labels) = Padded(Texts, left);
        var (a, b, split) = (With("a"), With("b"), With(Composition.Split(("a", first), ("b", Width - first))));
        foreach (var (start, length, alone, other) in new[] { (0, first, a, b), (first, Width - 1 - first, b, a) })
        {
            alone.Mask.narrow(1, start, length).sum().item<float>().ShouldBeGreaterThan(3, "labels");
            foreach (var (expected, actual) in Values(alone).Zip(Values(split)))
                actual.narrow(1, start, length).Difference(expected.narrow(1, start, length)).ShouldBeLessThan(1e-4);
            other.LogProbabilities.narrow(1, start, length).Difference(split.LogProbabilities.narrow(1, start, length)).ShouldBeGreaterThan(1e-2, "the adapters differ");
        }

        TokenPredictions With(Composition active)
        {
            peft.Activate(active);
            return model.Predict(input, labels, All, 0.7);
        }
    }

    private static long Positions(PeftModel peft, CausalLM model, bool shared)
    {
        var (input, labels) = Padded([.. Texts.Select((text, row) => shared ? text : ([.. text.Prompt[..^1].Select(id => (id + row) % 12 + 1), text.Prompt[^1]], text.Completion))], left: false);
        long positions = 0;
        using (peft.Observe((_, input) => positions = Math.Max(positions, input.numel() / input.shape[^1])))
            model.Predict(input, labels);
        return positions;
    }

    // Rows padded to the longest; the completions are the labels.
    private static (ModelInput Input, Tensor Labels) Padded((int[] Prompt, int[] Completion)[] texts, bool left)
    {
        var width = texts.Max(text => text.Prompt.Length + text.Completion.Length);
        var (ids, mask, labels) = (ones([texts.Length, width], ScalarType.Int64), zeros([texts.Length, width], ScalarType.Int64), ones([texts.Length, width], ScalarType.Int64).mul(Batch.IgnoredLabel));
        foreach (var (row, (prompt, completion)) in texts.Index())
        {
            long[] all = [.. prompt, .. completion];
            var start = left ? width - all.Length : 0;
            ids[row].narrow(0, start, all.Length).copy_(tensor(all));
            mask[row].narrow(0, start, all.Length).fill_(1);
            labels[row].narrow(0, start + prompt.Length, completion.Length).copy_(tensor(all[prompt.Length..]));
        }
        return (new() { InputIds = ids, AttentionMask = mask }, labels);
    }

    private static IEnumerable<Tensor> Values(TokenPredictions predictions)
        => [predictions.LogProbabilities, predictions.Mask, predictions.Entropy!, predictions.LogSquaredSum!, predictions.MeanLogit!, predictions.IsGreedy!];

    private static Tensor Loss(TokenPredictions predictions) => predictions.LogProbabilities.square().sum();
}
