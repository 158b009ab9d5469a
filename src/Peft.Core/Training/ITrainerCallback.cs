namespace Peft;

/// <summary>Receives the events of a run, and may control it. Methods are called on the training thread, between steps.</summary>
public interface ITrainerCallback
{
    /// <summary>Called before the first step of the run.</summary>
    void OnTrainBegin(TrainerControl control) { }

    /// <summary>Called after each optimizer step.</summary>
    void OnStepEnd(TrainingProgress progress, TrainerControl control) { }

    /// <summary>Called after each evaluation.</summary>
    void OnEvaluated(EvaluationResult evaluation, TrainerControl control) { }

    /// <summary>Called after a checkpoint was written.</summary>
    /// <param name="folder">Folder of the checkpoint.</param>
    /// <param name="control">Controls the run.</param>
    void OnSaved(string folder, TrainerControl control) { }

    /// <summary>Called after the last step of an epoch.</summary>
    /// <param name="epoch">Number of epochs done.</param>
    /// <param name="control">Controls the run.</param>
    void OnEpochEnd(int epoch, TrainerControl control) { }

    /// <summary>Called when the run has ended without an exception.</summary>
    void OnTrainEnd(TrainingResult result) { }
}

/// <summary>Requests of a callback to the trainer. They are executed at the end of the current step.</summary>
public sealed class TrainerControl
{
    internal TrainerControl(int totalSteps) => TotalSteps = totalSteps;

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
