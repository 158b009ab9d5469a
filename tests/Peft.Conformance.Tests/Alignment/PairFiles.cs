using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>The batches of TRL's trainers that keep chosen and rejected texts apart, as this library has them: in one batch, padded to the longest of both.</summary>
internal static class PairFiles
{
    public static Batch PairsOf(this AlignmentCase @case)
    {
        var width = new[] { "chosen", "rejected" }.Max(side => @case.Expected.Read($"{side}_input_ids").shape[1]);
        Tensor Both(string name, long padding) => cat([.. new[] { "chosen", "rejected" }.Select(side => Padded(@case.Expected.Read($"{side}_{name}"), width, padding))]);
        var ids = Both("input_ids", @case.Json.GetProperty("pad_token_id").GetInt64());
        return new()
        {
            InputIds = ids,
            AttentionMask = Both("attention_mask", 0),
            Extra = new Dictionary<string, Tensor> { ["completion_mask"] = Both("labels", Batch.IgnoredLabel).ne(Batch.IgnoredLabel).to_type(ScalarType.Int64) },
            Weight = ids.shape[0] / 2,
        };
    }

    private static Tensor Padded(Tensor rows, long width, long padding)
        => cat([rows.to_type(ScalarType.Int64), full([rows.shape[0], width - rows.shape[1]], padding, ScalarType.Int64)], 1);
}
