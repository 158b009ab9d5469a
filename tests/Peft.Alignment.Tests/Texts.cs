using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

/// <summary>Batches for objectives of preferences: random texts of 8 tokens, of which the last 3 to 5 are completions.</summary>
internal static class Texts
{
    /// <summary>A batch of texts, the chosen ones first; rows end in padding.</summary>
    public static Batch Batch(int pairs = 4, int texts = 2, int seed = 17) => Rows(Enumerable.Range(0, pairs), texts, seed);

    /// <summary>A batch of labelled texts with the completion of the previous row as mismatched ones; every second row is desirable.</summary>
    public static Batch Labelled(int rows = 4, int seed = 17) => Labelled(Enumerable.Range(0, rows), seed);

    public static Batch Labelled(IEnumerable<int> rows, int seed = 17)
    {
        int[] which = [.. rows];
        using var mismatched = Rows(which, 1, seed + 1);
        var batch = Rows(which, 1, seed);
        return new()
        {
            InputIds = batch.InputIds,
            AttentionMask = batch.AttentionMask,
            Weight = batch.Weight,
            Extra = new Dictionary<string, Tensor>
            {
                ["completion_mask"] = batch.Extra["completion_mask"],
                ["label"] = tensor(which.Select(row => row % 2 == 0).ToArray()),
                ["KL_input_ids"] = mismatched.InputIds.clone(),
                ["KL_attention_mask"] = mismatched.AttentionMask!.clone(),
                ["KL_completion_mask"] = mismatched.Extra["completion_mask"].clone(),
            },
        };
    }

    /// <summary>Each pair follows from its number and the seed alone.</summary>
    public static Batch Rows(IEnumerable<int> pairs, int texts = 2, int seed = 17)
    {
        int[] which = [.. pairs];
        var (ids, attention, mask) = (new long[texts * which.Length, 8], new long[texts * which.Length, 8], new long[texts * which.Length, 8]);
        for (var text = 0; text < texts; text++)
            for (var i = 0; i < which.Length; i++)
            {
                var random = new Random(seed * 1000 + which[i] * 10 + text);
                var (row, length) = (text * which.Length + i, 6 + random.Next(3));
                for (var position = 0; position < length; position++)
                {
                    ids[row, position] = random.Next(3, TinyModel.Vocabulary);
                    attention[row, position] = 1;
                    if (position >= 3) mask[row, position] = 1;
                }
            }
        return new() { InputIds = tensor(ids), AttentionMask = tensor(attention), Extra = new Dictionary<string, Tensor> { ["completion_mask"] = tensor(mask) }, Weight = which.Length };
    }

    /// <summary>A dataset of pairs, or of labelled texts.</summary>
    public static TrainingDataset Data(int rows, bool labelled = false, int seed = 17) => TrainingDataset.From(rows, which => labelled ? Labelled(which, seed) : Rows(which, 2, seed), "texts");

    /// <summary>A policy with an adapter that does something.</summary>
    public static PeftModel Policy(CausalLM model) => model.ApplyLora(rank: 4).Shake(0.1, seed: 5);

    public static float[] Values(PeftModel peft, string name = PeftModel.DefaultName)
        => [.. peft.Find(name).Tensors.SelectMany(pair => pair.Tensor.Value.detach().to_type(ScalarType.Float32).reshape(-1).data<float>().ToArray())];
}
