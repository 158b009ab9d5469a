using Peft.Training.TestHost;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

/// <summary>Small runs that many tests share: a sum of four numbers is learned.</summary>
internal static class Runs
{
    public static TrainingDataset Rows(int count, int seed = 3)
    {
        manual_seed(seed);
        var inputs = randn(count, 4);
        var labels = inputs.sum(1, keepdim: true);
        return TrainingDataset.From(count, rows =>
        {
            using var index = tensor(rows.Select(row => (long)row).ToArray());
            return new() { InputIds = inputs.index_select(0, index), Labels = labels.index_select(0, index), Weight = rows.Count };
        }, lengthOf: row => 1 + row % 3);
    }

    /// <summary>A linear layer without dropout or normalisation.</summary>
    public static ModuleTrainable Line()
    {
        manual_seed(5);
        return new(new Line());
    }

    /// <summary>Two layers with dropout and batch normalisation.</summary>
    public static ModuleTrainable Network()
    {
        manual_seed(5);
        return new(new TinyNetwork());
    }

    public static float[] Numbers(this ITrainable model) => [.. model.Trainables.SelectMany(tensor => tensor.Value.Values<float>())];
}

internal sealed class Line : nn.Module<Tensor, Tensor>, ILossModel
{
    private readonly TorchSharp.Modules.Linear layer = nn.Linear(4, 1);

    public Line() : base("line") => RegisterComponents();

    public override Tensor forward(Tensor input) => layer.call(input);

    public Tensor Loss(Batch batch) => nn.functional.mse_loss(call(batch.InputIds), batch.Labels!);
}

/// <summary>Wraps a model so that a test may change one of its answers.</summary>
internal sealed class Changed(ITrainable model) : ITrainable
{
    public IReadOnlyList<string> Unreached { get; init; } = [];

    public Func<Tensor?> PenaltyTerm { get; init; } = () => null;

    public Action<int, int> StepDone { get; init; } = (_, _) => { };

    public Action<string> Saving { get; init; } = _ => { };

    public double RecommendedLearningRate { get; init; } = 1e-4;

    public nn.Module Module => model.Module;

    public IReadOnlyList<TrainableTensor> Trainables => model.Trainables;

    public void Save(string folder)
    {
        Saving(folder);
        model.Save(folder);
    }

    public Tensor? Penalty() => PenaltyTerm();

    public void AfterStep(int step, int totalSteps) => StepDone(step, totalSteps);
}

internal sealed class Steps(Action<TrainingProgress, TrainerControl> atEnd) : ITrainerCallback
{
    public void OnStepEnd(TrainingProgress progress, TrainerControl control) => atEnd(progress, control);
}

/// <summary>Calls at once, unlike <see cref="Progress{T}"/>.</summary>
internal sealed class Listener<T>(Action<T> action) : IProgress<T>
{
    public void Report(T value) => action(value);
}
