using Peft;

namespace Examples;

/// <summary>Calls a function after each training step, on the training thread.</summary>
internal sealed class Reporting(Action<TrainingProgress> report) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => report(value);
}
