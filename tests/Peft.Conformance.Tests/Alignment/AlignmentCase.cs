using System.Text.Json;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>A case of what Hugging Face TRL computes, loaded from its files: the policy, its inputs and the expected tensors and metrics.</summary>
public sealed class AlignmentCase : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly bool full;
    private CausalLM? teacher;

    public AlignmentCase(string id)
    {
        Folder = Path.Combine(Oracle.Folder, "alignment", id);
        Json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "case.json"))).RootElement;
        Expected = new Expected(Folder);
        Base = Oracle.Base(Text("base"));
        full = Text("method") == "FULL";
        Model = Text("kind") == "reward" ? RewardModel() : CausalLM.FromPretrained(Base);
        Peft = full ? Model.ApplyAdapter(new FullOptions()) : Model.ApplyAdapter(Path.Combine(Folder, "adapter"), trainable: true);
    }

    public string Folder { get; }

    /// <summary>The content of <c>case.json</c>.</summary>
    public JsonElement Json { get; }

    /// <summary>The settings, by TRL's names.</summary>
    public JsonElement Config => Json.GetProperty("config");

    public Expected Expected { get; }

    /// <summary>Folder of the base model.</summary>
    public string Base { get; }

    public PretrainedModel Model { get; }

    /// <summary>The model that a student learns from.</summary>
    public CausalLM Teacher => teacher ??= CausalLM.FromPretrained(Oracle.Base(Config.GetProperty("teacher").GetString()!));

    public PeftModel Peft { get; }

    public string Text(string name) => Json.GetProperty(name).GetString()!;

    /// <summary>The ids of the cases of some kinds, from the manifest.</summary>
    public static TheoryData<string> Of(params string[] kinds) => [.. IdsOf(kinds)];

    /// <inheritdoc cref="Of"/>
    public static IEnumerable<string> IdsOf(params string[] kinds)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllText(Path.Combine(Oracle.Folder, "alignment", "manifest.json")));
        return [.. manifest.RootElement.GetProperty("cases").EnumerateArray().Where(each => kinds.Contains(each.GetProperty("kind").GetString())).Select(each => each.GetProperty("id").GetString()!)];
    }

    /// <summary>A number of the configuration.</summary>
    public double Number(string name) => Config.GetProperty(name).GetDouble();

    /// <summary>A number of the configuration; null if it is null or missing.</summary>
    public double? Optional(string name) => Config.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    public bool Flag(string name) => Config.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    /// <summary>An input tensor; null if the case has none of that name.</summary>
    public Tensor? Input(string name) => Json.GetProperty("inputs").EnumerateArray().Any(each => each.GetString() == name) ? Expected.Read(name) : null;

    /// <summary>The inputs as the batch that the collator makes.</summary>
    /// <param name="weight">The weight of the batch.</param>
    public Batch InputBatch(long weight) => new()
    {
        InputIds = Expected.Read("input_ids"),
        AttentionMask = Expected.Read("attention_mask"),
        Extra = Json.GetProperty("inputs").EnumerateArray().Select(each => each.GetString()!).Except(["input_ids", "attention_mask", "score.weight"]).ToDictionary(name => name, Expected.Read),
        Weight = weight,
    };

    /// <summary>A tensor of the policy by its key in the case: that of the adapter's file, or the parameter's name.</summary>
    public Tensor? Find(string key) => Peft.StateOf(Peft.Find(PeftModel.DefaultName)).GetValueOrDefault(full ? "base_model.model." + key : key);

    /// <summary>The gradient of a tensor.</summary>
    public Tensor? Gradient(string key) => Peft.Find(PeftModel.DefaultName).Tensors.SingleOrDefault(each => each.Key == (full ? "base_model.model." + key : key)).Tensor?.Value.grad;

    /// <summary>Checks the loss and all metrics that the objective reports.</summary>
    /// <param name="objective">The objective.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="prepare">Adds the metrics of what precedes the loss.</param>
    /// <param name="elsewhere">Metrics of the case that come from somewhere else, besides the tokens, which are counted before a step.</param>
    public void CheckLossAndMetrics(Objective objective, Batch batch, Action<TrainingMetrics> prepare, params string[] elsewhere)
    {
        using var metrics = new TrainingMetrics();
        prepare(metrics);
        Peft.Module.train(objective.UsesDropout);
        Expected.ShouldEqual("loss", objective.Loss(batch, metrics).reshape(1));
        var means = metrics.Means();
        var wrong = new List<string>();
        foreach (var metric in Json.GetProperty("metrics").EnumerateObject().ExceptBy(["num_tokens", .. elsewhere], metric => metric.Name))
        {
            var expected = metric.Value.ValueKind == JsonValueKind.Null ? double.NaN : metric.Value.GetDouble();
            if (!means.TryGetValue(metric.Name, out var actual)) wrong.Add($"{metric.Name}: missing, expected {expected}");
            else if (!(Math.Abs(actual - expected) <= 2e-4 + 1e-3 * Math.Abs(expected)) && !(double.IsNaN(actual) && double.IsNaN(expected))) wrong.Add($"{metric.Name}: {actual}, expected {expected}");
        }
        wrong.ShouldBeEmpty();
    }

    /// <summary>Checks the gradients of all tensors.</summary>
    public void CheckGradients(Objective objective, Batch batch)
    {
        using var metrics = new TrainingMetrics();
        Peft.Module.train(objective.UsesDropout);
        objective.Loss(batch, metrics).backward();
        Expected.ShouldEqual("grad.", Gradient);
    }

    /// <summary>Trains as the case did, by the library's trainer, and checks the losses and the trained tensors.</summary>
    /// <param name="objective">The objective.</param>
    /// <param name="batch">Creates the batch, which is the same in each step.</param>
    public void CheckTraining(Objective objective, Func<Batch> batch)
    {
        var settings = Json.GetProperty("training");
        var steps = settings.GetProperty("steps").GetInt32();
        var trainer = new Trainer(Peft, TrainingDataset.From(1, _ => batch()), new TrainingOptions
        {
            MaxSteps = steps, BatchSize = 1, LearningRate = settings.GetProperty("lr").GetDouble(), Schedule = LearningRateSchedule.Constant, MaxGradientNorm = null,
            Optimizer = new AdamWOptions { WeightDecay = settings.GetProperty("weight_decay").GetDouble() }, MissingGradients = MissingGradientPolicy.Ignore,
        })
        {
            Objective = objective,
        };
        var losses = trainer.Train().Losses.Select(loss => (float)loss).ToList();
        // With gradients, as in training, since running means move only then.
        using (var metrics = new TrainingMetrics())
        using (var last = batch())
        {
            Peft.Module.train(objective.UsesDropout);
            losses.Add(objective.Loss(last, metrics).item<float>());
        }
        Expected.ShouldEqual("loss_trajectory", tensor(losses.ToArray()));
        Expected.ShouldEqual("trained.", Find);
    }

    /// <summary>Compares tensors with all outputs of the case besides those of training. Tensors that the case lacks are ignored.</summary>
    public void CheckOutputs(params IEnumerable<(string Name, Tensor Actual)> tensors)
    {
        var present = tensors.Where(each => Expected.Has(each.Name)).ToList();
        Json.GetProperty("outputs").EnumerateArray().Select(each => each.GetString()!).Except(["loss", "loss_trajectory", .. present.Select(each => each.Name)]).ShouldBeEmpty("outputs that are not compared");
        present.Select(each => Expected.Difference(each.Name, each.Actual)).Where(difference => difference is not null).ShouldBeEmpty();
    }

    private SequenceClassifier RewardModel()
    {
        var model = SequenceClassifier.FromPretrained(Base, new LoadOptions { LabelCount = 1 });
        using var _ = no_grad();
        if (full) model.Head.Weight.copy_(Expected.Read("score.weight"));
        return model;
    }

    public void Dispose()
    {
        Peft.Dispose();
        Model.Dispose();
        teacher?.Dispose();
        Expected.Dispose();
        scope.Dispose();
    }
}
