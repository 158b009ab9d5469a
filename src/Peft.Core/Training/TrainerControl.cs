namespace Peft;

/// <summary>Requests of a callback to the trainer. They are executed at the end of the current step.</summary>
public sealed class TrainerControl
{
    internal TrainerControl(Trainer trainer, int totalSteps)
    {
        Trainer = trainer;
        TotalSteps = totalSteps;
    }

    /// <summary>The trainer that runs, with its model, data and options.</summary>
    public Trainer Trainer { get; }

    /// <summary>Number of steps of the whole run.</summary>
    public int TotalSteps { get; }

    internal bool StopAsked { get; private set; }

    internal bool SaveAsked { get; set; }

    internal bool EvaluationAsked { get; set; }

    /// <summary>Ends the run after this step.</summary>
    public void Stop() => StopAsked = true;

    /// <summary>Writes a checkpoint after this step. Requires <see cref="TrainingOptions.OutputFolder"/>.</summary>
    public void Save() => SaveAsked = true;

    /// <summary>Evaluates after this step. Requires <see cref="Trainer.Evaluation"/>.</summary>
    public void Evaluate() => EvaluationAsked = true;
}
