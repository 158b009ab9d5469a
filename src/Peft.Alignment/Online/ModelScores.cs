using System.Text.Json.Nodes;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The scores that a reward model gives completions.</summary>
internal sealed class ModelScores
{
    private readonly SequenceClassifier model;
    private readonly int batchSize;
    private readonly IReadOnlyList<int> ends;
    private readonly RowEncoder? encoder;

    /// <param name="model">The reward model.</param>
    /// <param name="batchSize">Number of completions per forward pass.</param>
    /// <param name="tokenizer">The tokenizer, for prompts that are conversations.</param>
    /// <exception cref="AdapterOptionsException">The model has more than one label.</exception>
    public ModelScores(SequenceClassifier model, int batchSize, Tokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (model.LabelCount != 1) throw new AdapterOptionsException($"A reward model has one score, but this classifier has {model.LabelCount} labels: load it with LoadOptions.LabelCount 1.");
        (this.model, this.batchSize, ends) = (model, batchSize, model.Config.Ids("eos_token_id"));
        encoder = tokenizer is null ? null : new(tokenizer, new());
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
        var isChat = completion.Fields["prompt"] is JsonArray;
        long[] ids = isChat ? Rendered(completion) : [.. completion.Prompt, .. completion.Tokens];
        if (ids.FirstOrDefault(id => id >= model.Spec.VocabularySize, -1) is >= 0 and var odd)
            throw new RewardException($"Token {odd} of a completion is not in the reward model's vocabulary of {model.Spec.VocabularySize}: make the reward model from the policy's base, or score texts with RewardFunction.OfAll.");
        return isChat || ends.Count == 0 || ends.Contains((int)ids[^1]) ? ids : [.. ids, ends[0]];
    }

    // The conversation as the model saw those of its training: a template may write more after the end token of an answer.
    private long[] Rendered(Completion completion)
    {
        if (encoder is null) throw new RewardException("The prompt is a conversation, which the chat template ends otherwise than the completion's tokens do: give RewardFunction.OfModel the tokenizer of the reward model.");
        if (completion.Text is not { } text) throw new RewardException("The prompt is a conversation, but the completion has no text: set RolloutOptions.Tokenizer.");
        if (completion.ToolCalls.Count > 0) throw new RewardException("The completion calls tools, whose turns a reward model of conversations would not see as in its training: score texts with RewardFunction.OfAll.");
        var row = new DataRow(completion.Fields, $"completion of prompt {completion.Row}");
        return encoder.Encode(row.Passage("prompt").Then(new Passage([new JsonObject { ["role"] = "assistant", ["content"] = text }]), row), row);
    }
}
