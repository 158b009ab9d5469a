using System.Security.Cryptography;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The model that is aligned, and its reference; null for an objective that has none.</summary>
internal sealed class Policy(ITrainable trainable, Reference? reference)
{
    private readonly ITrainable trainable = trainable ?? throw new ArgumentNullException(nameof(trainable));

    /// <summary>The language model.</summary>
    public CausalLM Model { get; } = trainable?.Module as CausalLM ?? throw new AdapterOptionsException(
        $"Alignment trains a {nameof(CausalLM)}, which {trainable?.Module.GetType().Name} is not: load the model with {nameof(CausalLM)}.FromPretrained.");

    /// <summary>What is trained.</summary>
    public ITrainable Trainable => trainable;

    /// <summary>True if the rows of a batch may run in separate passes.</summary>
    public bool RowsAreIndependent => Model.RowsDependOnThemselves;

    /// <summary>Reasons that the policy cannot be trained.</summary>
    public IEnumerable<string> Errors(ITrainable trained) => ModelErrors(trained).Concat(reference?.Errors(trainable) ?? []);

    /// <summary>Reasons that the policy cannot be trained without its reference.</summary>
    public IEnumerable<string> ModelErrors(ITrainable trained)
    {
        if (!ReferenceEquals(trained.Module, Model)) yield return "The objective was made for another model than the trainer's: pass both the same.";
    }

    /// <summary>The policy's predictions.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="labels">The tokens to predict, as in <see cref="CausalLM.Predict(ModelInput, Tensor, TokenStatistics, double)"/>.</param>
    /// <param name="statistics">Additional quantities to compute.</param>
    /// <param name="temperature">Divisor of the logits.</param>
    public TokenPredictions Predict(Batch batch, Tensor labels, TokenStatistics statistics = TokenStatistics.None, double temperature = 1)
        => Model.Predict(ModelInput.From(batch), labels, statistics, temperature);

    /// <summary>The reference's predictions, without gradients.</summary>
    /// <inheritdoc cref="Predict"/>
    public TokenPredictions PredictByReference(Batch batch, Tensor labels, TokenStatistics statistics = TokenStatistics.None, double temperature = 1)
    {
        using var use = reference!.Use(trainable, out var model);
        return model.Predict(ModelInput.From(batch), labels, statistics, temperature);
    }

    /// <summary>Called after each step, when a reference may follow the policy.</summary>
    public void MoveReference(int step) => reference?.Move(trainable, step);

    /// <summary>The tensors of a reference that follows the policy; none of others.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> MovingReference() => reference?.Moving(trainable) ?? [];

    /// <summary>Adds to a hash what tells the reference from others of the same model.</summary>
    public void IdentifyReference(IncrementalHash hash) => reference!.Identify(trainable, hash);

    /// <summary>Calls the reference, without gradients.</summary>
    public T ByReference<T>(Func<CausalLM, T> call)
    {
        using var use = reference!.Use(trainable, out var model);
        return call(model);
    }

    /// <summary>The ids of a batch as labels, ignored outside of its <c>completion_mask</c>.</summary>
    public static Tensor CompletionLabels(Batch batch)
    {
        if (!batch.Extra.TryGetValue("completion_mask", out var mask)) throw new ArgumentException("The batch has no completion_mask, which says what tokens belong to completions.", nameof(batch));
        return batch.InputIds.masked_fill(mask.eq(Constant(0)), Constant(Batch.IgnoredLabel));
    }

    /// <summary>The mean over tokens of values <c>[batch, tokens]</c> that are 0 elsewhere.</summary>
    public static Tensor MeanOverTokens(Tensor values, Tensor mask) => values.sum().div(mask.sum());
}
