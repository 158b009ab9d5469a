using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Generation from the geometric mixture of policy and reference: logits (1 − c)·policy + c·reference. Without a KV cache, since there are two models.</summary>
internal sealed class MixtureSampling(Policy policy, RolloutOptions options, double coefficient)
{
    /// <summary>Generates a completion of each prompt.</summary>
    /// <param name="prompts">Completions of the same prompts, which say what the prompts are.</param>
    /// <param name="padding">The padding token.</param>
    /// <param name="seed">Seed of the random generator.</param>
    public IReadOnlyList<Completion> Run(IReadOnlyList<Completion> prompts, int padding, long seed)
    {
        var ends = new Sampling(policy.Model, options, 1).EndTokens;
        var written = prompts.Select(_ => new List<int>()).ToArray();
        using var generator = new Generator((ulong)seed, policy.Model.Device);
        using var mode = new EvaluationMode(policy.Model);
        using var _ = no_grad();
        for (var step = 0; step < options.MaxCompletionLength && written.Any(Runs); step++)
        {
            using var scope = NewDisposeScope();
            var input = Input([.. prompts.Select((each, row) => (IReadOnlyList<int>)[.. each.Prompt, .. written[row]])], padding);
            var logits = policy.Model.ForwardLast(input).squeeze(1).mul(Constant(1 - coefficient))
                .add(policy.ByReference(model => model.ForwardLast(input)).squeeze(1).mul(Constant(coefficient)), One).to_type(ScalarType.Float32);
            var picked = nn.functional.softmax(logits.div(Constant(options.Temperature)), -1).multinomial(1, false, generator).cpu().data<long>().ToArray();
            for (var row = 0; row < picked.Length; row++)
                if (Runs(written[row])) written[row].Add((int)picked[row]);
        }
        return [.. prompts.Select((each, row) => each with { Tokens = written[row], IsTruncated = Runs(written[row]), Text = options.Tokenizer?.Decode(written[row]) })];

        bool Runs(List<int> tokens) => tokens.Count == 0 || !ends.Contains(tokens[^1]);
    }

    private ModelInput Input(IReadOnlyList<IReadOnlyList<int>> rows, int padding)
    {
        var width = rows.Max(row => row.Count);
        var (ids, mask) = (new long[rows.Count * width], new long[rows.Count * width]);
        Array.Fill(ids, padding);
        for (var row = 0; row < rows.Count; row++)
            for (var i = 0; i < rows[row].Count; i++) (ids[(row + 1) * width - rows[row].Count + i], mask[(row + 1) * width - rows[row].Count + i]) = (rows[row][i], 1);
        return new() { InputIds = tensor(ids, [rows.Count, width], device: policy.Model.Device), AttentionMask = tensor(mask, [rows.Count, width], device: policy.Model.Device) };
    }
}
