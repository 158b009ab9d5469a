namespace Peft;

/// <summary>Follows a run, and may steer it through the control it is given. Methods are called on the training thread, between steps.</summary>
public interface ITrainerCallback
{
    /// <summary>Before the first step of this run.</summary>
    void OnTrainBegin(TrainerControl control) { }

    /// <summary>After each optimizer step.</summary>
    void OnStepEnd(TrainingProgress progress, TrainerControl control) { }

    /// <summary>After each evaluation.</summary>
    void OnEvaluated(EvaluationResult evaluation, TrainerControl control) { }

    /// <summary>After a checkpoint was written.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="control">Steers the run.</param>
    void OnSaved(string folder, TrainerControl control) { }

    /// <summary>After the last step of an epoch.</summary>
    /// <param name="epoch">Epochs done.</param>
    /// <param name="control">Steers the run.</param>
    void OnEpochEnd(int epoch, TrainerControl control) { }

    /// <summary>When the run has ended without an exception.</summary>
    void OnTrainEnd(TrainingResult result) { }
}

/// <summary>What a callback may ask of the trainer. Requests are met at the end of the current step.</summary>
public sealed class TrainerControl
{
    internal TrainerControl(int totalSteps) => TotalSteps = totalSteps;

    /// <summary>Steps of the whole run.</summary>
    public int TotalSteps { get; }

    internal bool StopAsked { get; private set; }

    internal bool SaveAsked { get; set; }

    internal bool EvaluationAsked { get; set; }

    /// <summary>Ends the run after this step.</summary>
    public void Stop() => StopAsked = true;

    /// <summary>Writes a checkpoint after this step. Needs <see cref="TrainingOptions.OutputFolder"/>.</summary>
    public void Save() => SaveAsked = true;

    /// <summary>Evaluates after this step. Needs <see cref="Trainer.Evaluation"/>.</summary>
    public void Evaluate() => EvaluationAsked = true;
}
