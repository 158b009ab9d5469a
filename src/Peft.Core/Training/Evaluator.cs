using static TorchSharp.torch;

namespace Peft;

/// <summary>Computes means over an evaluation dataset.</summary>
internal static class Evaluator
{
    /// <summary>Evaluates in evaluation mode and without gradients; null if cancelled.</summary>
    public static EvaluationResult? Evaluate(Trainer trainer, int step, CancellationToken cancellationToken)
    {
        var data = trainer.Evaluation!;
        var device = trainer.Model.Trainables[0].Value.device;
        var functions = trainer.Metrics.ToList();
        var sums = new double[functions.Count];
        var (losses, weight) = (0.0, 0.0);
        var model = trainer.Model.Module as IOutputModel;
        var measurement = model is null ? null : data.Measure();
        using var collected = new TrainingMetrics();
        using var modes = new ModuleModes(trainer.Model.Module);
        trainer.Model.Module.eval();
        trainer.Goal.Cancellation = cancellationToken;
        try
        {
            using var _ = no_grad();
            foreach (var rows in data.Batches(trainer.Options.EvaluationBatchSize, groupByLength: trainer.Options.GroupByLength))
            {
                if (cancellationToken.IsCancellationRequested) return null;
                using var scope = NewDisposeScope();
                using var loaded = data.GetBatch(rows).To(device);
                if (loaded.Weight <= 0) continue;   // all labels are ignored
                var batch = trainer.Goal.PrepareEvaluation(loaded, step, (long)SplitMix64.Mix(trainer.Options.Seed, rows[0]), collected);
                using var made = ReferenceEquals(batch, loaded) ? null : batch;
                var (loss, output) = measurement is null ? (trainer.Goal.Loss(batch, collected), null) : model!.LossAndOutput(batch);
                if (output is not null)
                {
                    measurement!.Add(rows, output);
                    if (trainer.Goal is not ModelObjective) loss = trainer.Goal.Loss(batch, collected);
                }
                losses += Value(loss) * batch.Weight;
                for (var i = 0; i < functions.Count; i++) sums[i] += Value(functions[i].Value(loaded)) * batch.Weight;
                weight += batch.Weight;
            }
            if (weight == 0)
                throw new DatasetException($"There is nothing to evaluate in {data.Name}: all labels of its {data.Count} rows are ignored.");
            var metrics = new Dictionary<string, double>(collected.Means(), StringComparer.Ordinal);
            foreach (var (name, value) in measurement?.Result() ?? new Dictionary<string, double>()) metrics[name] = value;
            for (var i = 0; i < functions.Count; i++) metrics[functions[i].Key] = sums[i] / weight;
            foreach (var (name, value) in trainer.EvaluationMetrics?.Invoke(cancellationToken) ?? new Dictionary<string, double>()) metrics[name] = value;
            return new(step, losses / weight, metrics) { Samples = collected.Samples() };
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    private static double Value(Tensor mean) => mean.to_type(ScalarType.Float64).item<double>();
}
