using Peft.Models.Tests.Generation;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Predictions of a batch, whose padding and shared prompts are not computed, against those of its rows alone.</summary>
public class PredictTests
{
    private const TokenStatistics All = TokenStatistics.Entropy | TokenStatistics.LogSquaredSum | TokenStatistics.MeanLogit | TokenStatistics.IsGreedy;

    // Two completions of one prompt, one of another, and another of the first.
    private static readonly (int[] Prompt, int[] Completion)[] Texts = [([3, 9, 4, 7, 11], [5, 8, 2]), ([3, 9, 4, 7, 11], [6]), ([8, 4], [3, 3, 9, 10, 2]), ([3, 9, 4, 7, 11], [5, 8, 2, 12, 7])];

    [Theory]
    [InlineData("llama", false), InlineData("llama", true), InlineData("gpt2", false), InlineData("opt", false), InlineData("opt", true), InlineData("mistral", false), InlineData("mistral", true), InlineData("gemma", false), InlineData("phi3", true)]
    public void Rows_of_a_batch_are_predicted_as_alone(string kind, bool left)
    {
        using var scope = NewDisposeScope();
        using var model = (CausalLM)TinyModels.Create(kind, vocabulary: 16);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ModuleSelector.AllLinear });
        peft.Shake(0.3, seed: 2);
        model.train();
        var width = Texts.Max(text => text.Prompt.Length + text.Completion.Length);
        var (ids, mask, labels) = (ones([4, width], ScalarType.Int64), zeros([4, width], ScalarType.Int64), ones([4, width], ScalarType.Int64).mul(Batch.IgnoredLabel));
        int StartOf(int row) => left ? width - Texts[row].Prompt.Length - Texts[row].Completion.Length : 0;
        for (var row = 0; row < 4; row++) Fill(Texts[row], ids[row], mask[row], labels[row], StartOf(row));

        peft.Trainables.ToList().ForEach(each => each.Value.grad = null);
        var together = model.Predict(new ModelInput { InputIds = ids, AttentionMask = mask }, labels, All, 0.7);
        Loss(together).backward();
        var gradients = peft.Trainables.Select(each => each.Value.grad!.clone()).ToList();

        peft.Trainables.ToList().ForEach(each => each.Value.grad = null);
        for (var row = 0; row < 4; row++)
        {
            var length = Texts[row].Prompt.Length + Texts[row].Completion.Length;
            var (one, real, own) = (zeros([1, length], ScalarType.Int64), zeros([1, length], ScalarType.Int64), ones([1, length], ScalarType.Int64).mul(Batch.IgnoredLabel));
            Fill(Texts[row], one[0], real[0], own[0], 0);
            var alone = model.Predict(new ModelInput { InputIds = one }, own, All, 0.7);
            foreach (var (expected, actual) in Values(alone).Zip(Values(together)))
            {
                actual[row].narrow(0, StartOf(row), length - 1).Difference(expected[0]).ShouldBeLessThan(1e-4);
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

    private static long Positions(PeftModel peft, CausalLM model, bool shared)
    {
        var width = Texts.Max(text => text.Prompt.Length + text.Completion.Length);
        var (ids, mask, labels) = (ones([4, width], ScalarType.Int64), zeros([4, width], ScalarType.Int64), ones([4, width], ScalarType.Int64).mul(Batch.IgnoredLabel));
        for (var row = 0; row < 4; row++) Fill(shared ? Texts[row] : ([.. Texts[row].Prompt[..^1].Select(id => (id + row) % 12 + 1), Texts[row].Prompt[^1]], Texts[row].Completion), ids[row], mask[row], labels[row], 0);
        long positions = 0;
        using (peft.Observe((_, input) => positions = Math.Max(positions, input.numel() / input.shape[^1])))
            model.Predict(new ModelInput { InputIds = ids, AttentionMask = mask }, labels);
        return positions;
    }

    private static void Fill((int[] Prompt, int[] Completion) text, Tensor ids, Tensor mask, Tensor labels, int start)
    {
        int[] all = [.. text.Prompt, .. text.Completion];
        for (var i = 0; i < all.Length; i++)
        {
            ids[start + i] = tensor((long)all[i]);
            mask[start + i] = tensor(1L);
            if (i >= text.Prompt.Length) labels[start + i] = tensor((long)all[i]);
        }
    }

    private static IEnumerable<Tensor> Values(TokenPredictions predictions)
        => [predictions.LogProbabilities, predictions.Mask, predictions.Entropy!, predictions.LogSquaredSum!, predictions.MeanLogit!, predictions.IsGreedy!];

    private static Tensor Loss(TokenPredictions predictions) => predictions.LogProbabilities.square().sum();
}
