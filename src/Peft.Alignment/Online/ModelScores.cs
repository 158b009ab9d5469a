using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The scores that a reward model gives completions.</summary>
internal sealed class ModelScores
{
    private readonly SequenceClassifier model;
    private readonly int batchSize;
    private readonly IReadOnlyList<int> ends;

    /// <param name="model">The reward model.</param>
    /// <param name="batchSize">Number of completions per forward pass.</param>
    /// <exception cref="AdapterOptionsException">The model has more than one label.</exception>
    public ModelScores(SequenceClassifier model, int batchSize)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (model.LabelCount != 1) throw new AdapterOptionsException($"A reward model has one score, but this classifier has {model.LabelCount} labels: load it with LoadOptions.LabelCount 1.");
        (this.model, this.batchSize, ends) = (model, batchSize, model.Config.Ids("eos_token_id"));
    }

    /// <summary>A score for each completion.</summary>
    /// <exception cref="RewardException">A token is not in the model's vocabulary.</exception>
    public IReadOnlyList<double?> Of(IReadOnlyList<Completion> completions)
    {
        ArgumentNullException.ThrowIfNull(completions);
        using var mode = new EvaluationMode(model);
        using var _ = no_grad();
        return [.. completions.Chunk(batchSize).SelectMany(Batch)];
    }

    private IEnumerable<double?> Batch(Completion[] completions)
    {
        using var scope = NewDisposeScope();
        using var pass = PeftModel.Of(model)?.Pass();
        long[][] ids = [.. completions.Select(Ids)];
        var input = new ModelInput { InputIds = PaddedRows.Right(ids, model.Config.PadTokenId ?? 0).to(model.Device), AttentionMask = PaddedRows.Right(PaddedRows.Ones(ids), 0).to(model.Device) };
        return model.call(input).squeeze(-1).to_type(ScalarType.Float64).cpu().data<double>().ToArray().Select(score => (double?)score);
    }

    private long[] Ids(Completion completion)
    {
        long[] ids = [.. completion.Prompt, .. completion.Tokens];
        if (ids.FirstOrDefault(id => id >= model.Spec.VocabularySize, -1) is >= 0 and var odd)
            throw new RewardException($"Token {odd} of a completion is not in the reward model's vocabulary of {model.Spec.VocabularySize}: make the reward model from the policy's base, or score texts with RewardFunction.OfAll.");
        return ends.Count == 0 || ends.Contains((int)ids[^1]) ? ids : [.. ids, ends[0]];
    }
}
