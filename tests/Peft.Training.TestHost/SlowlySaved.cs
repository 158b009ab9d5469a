using Peft;
using static TorchSharp.torch;

namespace Peft.Training.TestHost;

/// <summary>Announces that it saves and takes its time, so that a kill lands within the writing of a checkpoint.</summary>
public sealed class SlowlySaved(ITrainable model) : ITrainable
{
    public nn.Module Module => model.Module;

    public IReadOnlyList<TrainableTensor> Trainables => model.Trainables;

    public IReadOnlyList<string> Unreached => model.Unreached;

    public IReadOnlyDictionary<string, Tensor> TrainingState => model.TrainingState;

    public Tensor? Penalty() => model.Penalty();

    public void AfterStep(int step, int totalSteps) => model.AfterStep(step, totalSteps);

    public void Save(string folder)
    {
        Console.WriteLine("saving");
        Thread.Sleep(20);
        model.Save(folder);
        Thread.Sleep(20);
    }
}

/// <summary>Announces each step, and waits for a line, so that a run that is to be killed goes no further than the next step.</summary>
public sealed class Narrator : ITrainerCallback
{
    public void OnStepEnd(TrainingProgress progress, TrainerControl control)
    {
        Console.WriteLine("step");
        Console.ReadLine();
    }
}
