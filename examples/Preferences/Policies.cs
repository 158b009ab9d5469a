using System.Text.Json.Nodes;
using Peft;
using Peft.Models;

namespace Preferences;

/// <summary>Supervised fine-tuning, and then preferences, of a small language model.</summary>
/// <param name="pretrained">Folder of the pretrained model.</param>
/// <param name="work">Folder for the fine-tuned model.</param>
/// <param name="sizes">How much is done.</param>
internal sealed class Policies(string pretrained, string work, Sizes sizes)
{
    private const double Beta = 0.1;

    private readonly Tokenizer tokenizer = Tokenizer.FromPretrained(pretrained);

    /// <summary>Folder of the fine-tuned model.</summary>
    public string Tuned => Path.Combine(work, "sft");

    /// <summary>Teaches the model to solve problems: all weights, since it has only read stories for children.</summary>
    public TrainingResult Tune(IReadOnlyList<JsonObject> solutions, IProgress<TrainingProgress>? progress = null)
    {
        using var model = CausalLM.FromPretrained(pretrained);
        using var whole = model.ApplyFull();
        var data = SftDataset.FromRows(solutions.Take(sizes.Solutions ?? int.MaxValue), tokenizer, new() { MaxLength = sizes.Length });
        var result = SftTrainer.Create(whole, data, new() { TokenMetrics = false }, new() { Epochs = sizes.TuningEpochs, BatchSize = 16, GroupByLength = true, LearningRate = 2e-3, WarmupRatio = 0.05 }).Train(progress);
        whole.MergeAndUnload();
        model.SavePretrained(Tuned);
        tokenizer.Save(Tuned);
        return result;
    }

    /// <summary>What the fine-tuned model thinks of pairs before it has seen any.</summary>
    public Outcome Before(IReadOnlyList<JsonObject> test)
    {
        using var model = CausalLM.FromPretrained(Tuned);
        using var peft = model.ApplyLora(rank: 8, targets: "all-linear");
        return Judge(peft, test);
    }

    /// <summary>Aligns the fine-tuned model with pairs, and judges pairs that it has not seen.</summary>
    public (Outcome Outcome, double Seconds) Align(Method method, IReadOnlyList<JsonObject> train, IReadOnlyList<JsonObject> test, double? rate = null, IProgress<TrainingProgress>? progress = null)
    {
        using var model = CausalLM.FromPretrained(Tuned);
        using var peft = model.ApplyLora(rank: 8, targets: "all-linear");
        var training = new TrainingOptions { Epochs = sizes.PreferenceEpochs, BatchSize = method == Method.Kto ? 32 : 16, GroupByLength = method != Method.Kto, LearningRate = rate ?? 2e-3, WarmupRatio = 0.1 };
        var rows = train.Take(sizes.Pairs ?? int.MaxValue);
        var trainer = method switch
        {
            Method.Dpo => DpoTrainer.Create(peft, PreferenceDataset.FromRows(rows, tokenizer, new() { MaxLength = sizes.Length }), new() { Beta = Beta }, training),
            Method.Kto => KtoTrainer.Create(peft, UnpairedDataset.FromRows(rows, tokenizer, new() { MaxLength = sizes.Length }), new() { Beta = Beta }, training),   // each pair is two rows, a good one and a bad one
            _ => OrpoTrainer.Create(peft, PreferenceDataset.FromRows(rows, tokenizer, new() { MaxLength = sizes.Length }), new() { Beta = Beta }, training),
        };
        var result = trainer.Train(progress);
        return (Judge(peft, test), result.Elapsed.TotalSeconds);
    }

    // The same measures for all methods: implicit rewards as DPO has them, probabilities per token as ORPO has them.
    private Outcome Judge(PeftModel peft, IReadOnlyList<JsonObject> test)
    {
        var pairs = PreferenceDataset.FromRows(test, tokenizer, new() { MaxLength = sizes.Length });
        IReadOnlyDictionary<string, double> Evaluate(Objective objective) => new Trainer(peft, pairs, new() { EvaluationBatchSize = 16, GroupByLength = true }) { Objective = objective, Evaluation = pairs }.Evaluate().Metrics;
        var (implicitly, perToken) = (Evaluate(new DpoObjective(peft, new() { Beta = Beta })), Evaluate(new OrpoObjective(peft)));
        return new(implicitly["rewards/accuracies"], implicitly["rewards/margins"], perToken["rewards/accuracies"], perToken["logps/chosen"], perToken["logps/rejected"]);
    }
}
