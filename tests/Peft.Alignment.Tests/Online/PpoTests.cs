using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

public sealed class PpoTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Models.CausalLM model;
    private readonly PeftModel peft;
    private readonly ValueModel values;
    private readonly ActorCritic models;

    public PpoTests()
    {
        peft = OnlineRuns.Policy(out model);
        values = ValueModel.Adapter(peft);
        models = new(peft, values);
    }

    public void Dispose()
    {
        values.Dispose();
        peft.Dispose();
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Ppo_raises_the_reward_with_values_from_another_adapter_of_the_base()
    {
        var rewards = OnlineRuns.Rewards(models, new PpoObjective(models, OnlineRuns.Rollouts(2) with { Iterations = 2 }, new PpoOptions { KlCoefficient = 0.001, KlTarget = 5 }), 60, prompts: 16);
        rewards.Count.ShouldBe(30);
        rewards.TakeLast(3).Average().ShouldBeGreaterThan(rewards.Take(3).Average() + 0.3);
    }

    // Ziegler et al. 2019, section 2.2.
    [Fact]
    public void The_coefficient_of_ppo_adapts_to_its_target_in_proportion_to_the_bounded_error()
    {
        var metrics = OnlineRuns.Metrics(models, new PpoObjective(models, OnlineRuns.Rollouts(2), new PpoOptions { KlCoefficient = 0.1, KlTarget = 0.02, KlHorizon = 100 }), new() { MaxSteps = 8, BatchSize = 4, LearningRate = 5e-2 });
        var expected = 0.1;
        var errors = new List<double>();
        foreach (var step in metrics)
        {
            step["objective/kl_coefficient"].ShouldBe(expected, 1e-6);
            errors.Add(step["objective/kl"] / 0.02 - 1);
            expected *= 1 + Math.Clamp(errors[^1], -0.2, 0.2) * 8 / 100;
        }
        errors.Min().ShouldBeLessThan(-0.2, "at first policy and reference are equal");
        errors.Max().ShouldBeGreaterThan(0.2);
    }

    [Fact]
    public void Each_pass_of_ppo_over_its_completions_shuffles_them()
    {
        var objective = new PpoObjective(models, OnlineRuns.Rollouts(2) with { MiniBatches = 2, Iterations = 3 });
        using var metrics = new TrainingMetrics();
        manual_seed(5);
        using var prompts = OnlineRuns.Prompts(8).GetBatch([.. Enumerable.Range(0, 8)]);
        var seen = new List<string>();
        for (var step = 0; step < 6; step++)
        {
            var part = objective.Prepare([prompts], step, metrics)[0];
            part.InputIds.shape[0].ShouldBe(8);
            seen.Add(string.Join(' ', Enumerable.Range(0, 8).Select(row => string.Join(',', part.InputIds[row].data<long>().ToArray())).Order(StringComparer.Ordinal)));
        }
        seen.Distinct().Count().ShouldBe(6, "each half of each pass holds other completions");
        seen.Chunk(2).Select(pass => string.Join(' ', pass.SelectMany(half => half.Split(' ')).Order(StringComparer.Ordinal))).Distinct().Count().ShouldBe(1, "each pass sees all of them");
    }

    // As in TRL: the batches that a step accumulates have one mean and one variance.
    [Fact]
    public void Advantages_of_ppo_are_whitened_over_all_completions_of_a_step()
    {
        var objective = new PpoObjective(models, OnlineRuns.Rollouts(2) with { MaxCompletionLength = 12 });
        using var metrics = new TrainingMetrics();
        manual_seed(5);
        using var first = OnlineRuns.Prompts(8).GetBatch([0, 1, 2]);
        using var second = OnlineRuns.Prompts(8).GetBatch([3, 4]);
        var batches = objective.Prepare([first, second], 0, metrics);
        batches.Select(batch => batch.InputIds.size(0)).ShouldBe([6, 4]);
        Tensor Trained(Batch batch) => batch.Extra["advantages"].masked_select(batch.Extra[Completions.MaskName].ne(0));
        var together = cat([.. batches.Select(Trained)]);
        together.mean().item<float>().ShouldBe(0, 1e-5f);
        together.std(unbiased: true).item<float>().ShouldBe(1, 1e-4f);
        Math.Abs(Trained(batches[0]).mean().item<float>()).ShouldBeGreaterThan(1e-3f);
    }

    [Fact]
    public void Parts_of_a_batch_of_ppo_give_its_loss_gradients_and_metrics()
    {
        var objective = new PpoObjective(models, OnlineRuns.Rollouts(3) with { MaxCompletionLength = 12 });
        using var rollout = new TrainingMetrics();
        manual_seed(5);
        using var prompts = OnlineRuns.Prompts().GetBatch([0, 1, 2]);
        var batch = objective.Prepare([prompts], 0, rollout)[0];
        new Completions(batch).Lengths.unique().output.numel().ShouldBeGreaterThan(1, "parts have different numbers of tokens");
        using (no_grad())
        {
            // So that ratios are not 1, nor values those at generation.
            foreach (var tensor in models.Trainables) tensor.Value.add_(randn_like(tensor.Value) * 0.05, 1);
        }
        var parts = objective.Divide(batch, 2);
        parts.Count.ShouldBe(2);
        using var metrics = new TrainingMetrics();
        var tensors = models.Trainables.Select(each => (Tensor)each.Value).ToList();
        values.RequireGradients();
        var whole = objective.Loss(batch, metrics);
        var gradients = autograd.grad([whole], tensors);
        foreach (var divided in new[] { parts, [.. parts.SelectMany(part => objective.Divide(part, 2))] })
        {
            using var partMetrics = new TrainingMetrics();
            var sum = divided.Select(part => objective.Loss(part, partMetrics) * (part.Weight / batch.Weight)).Aggregate((a, b) => a + b);
            sum.item<float>().ShouldBe(whole.item<float>(), 1e-5);
            foreach (var (a, b) in gradients.Zip(autograd.grad([sum], tensors))) (a - b).abs().max().item<float>().ShouldBeLessThan(1e-5f + 1e-3f * a.abs().max().item<float>());
            var (expected, actual) = (metrics.Means(), partMetrics.Means());
            actual.Keys.ShouldBe(expected.Keys, ignoreOrder: true);
            foreach (var (name, value) in expected) actual[name].ShouldBe(value, 1e-4 + 1e-4 * Math.Abs(value), name);
        }
    }
}
