using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>What the cases of online methods share: completions of prompts and their rewards.</summary>
internal static class CompletionCase
{
    public static RolloutOptions Rollouts(AlignmentCase @case) => new()
    {
        Rewards = [.. Enumerable.Range(0, (int)@case.Expected.Read("rewards_per_func").shape[1]).Select(k => RewardFunction.Of($"reward_{k}", _ => null) with { Weight = Weight(@case, k) })],
        Generations = (int)@case.Number("num_generations"),
        MaxCompletionLength = (int)(@case.Optional("max_completion_length") ?? 256),
        Temperature = @case.Number("temperature"),
    };

    private static double Weight(AlignmentCase @case, int k)
        => @case.Config.GetProperty("reward_weights") is { ValueKind: JsonValueKind.Array } weights ? weights[k].GetDouble() : 1;

    public static RewardTable Rewards(AlignmentCase @case)
    {
        var values = @case.Expected.Read("rewards_per_func");
        var (rows, columns) = ((int)values.shape[0], (int)values.shape[1]);
        var numbers = values.data<float>().ToArray();
        var rollouts = Rollouts(@case);
        return new([.. rollouts.Rewards.Select(reward => reward.Name)], [.. rollouts.Rewards.Select(reward => reward.Weight)],
            [.. Enumerable.Range(0, rows).Select(row => Enumerable.Range(0, columns).Select(k => (double)numbers[row * columns + k]).ToArray())], rollouts.Generations!.Value);
    }

    /// <summary>Prompts and completions as a batch, with further tensors of the case.</summary>
    public static Batch BatchOf(AlignmentCase @case, params string[] further)
    {
        var (promptMask, completionMask) = (@case.Expected.Read("prompt_mask"), @case.Expected.Read("completion_mask"));
        var ids = cat([@case.Expected.Read("prompt_ids"), @case.Expected.Read("completion_ids")], 1);
        var (rows, width) = (ids.shape[0], ids.shape[1]);
        var extra = new Dictionary<string, Tensor> { ["completion_mask"] = completionMask };
        foreach (var name in further)
            if (@case.Input(name) is { } value) extra[name] = value;
        // Per row the share of the tokens that the loss divides by.
        if (extra.Remove("num_items_in_batch", out var items)) extra["num_items_in_batch"] = full([rows], items.to_type(ScalarType.Float32).item<float>() / rows, ScalarType.Float32);
        // No positions are given to the oracle's models: padding counts.
        extra["position_ids"] = arange(0, width, 1, ScalarType.Int64).expand(rows, width);
        return new() { InputIds = ids, AttentionMask = cat([promptMask, completionMask], 1), Extra = extra, Weight = rows };
    }
}
