namespace Peft;

/// <summary>Requests of a callback to the trainer. They are executed at the end of the current step.</summary>
public sealed class TrainerControl
{
    internal TrainerControl(Trainer trainer, int totalSteps)
    {
        Trainer = trainer;
        TotalSteps = totalSteps;
    }

    /// <summary>The running trainer, with its model, data and options.</summary>
    public Trainer Trainer { get; }

    /// <summary>Total number of steps of the run.</summary>
    public int TotalSteps { get; }

    internal bool StopRequested { get; private set; }

    internal bool SaveRequested { get; set; }

    internal bool EvaluationRequested { get; set; }

    /// <summary>Ends the run after this step.</summary>
    public void Stop() => StopRequested = true;

    /// <summary>Writes a checkpoint after this step. Requires <see cref="TrainingOptions.OutputFolder"/>.</summary>
    public void Save() => SaveRequested = true;

    /// <summary>Evaluates after this step. Requires <see cref="Trainer.Evaluation"/>.</summary>
    public void Evaluate() => EvaluationRequested = true;
}
