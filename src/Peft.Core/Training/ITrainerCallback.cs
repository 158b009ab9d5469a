namespace Peft;

/// <summary>Receives the events of a run and may control it. The methods are called on the training thread, between steps.</summary>
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
    /// <param name="epoch">Number of completed epochs.</param>
    /// <param name="control">Controls the run.</param>
    void OnEpochEnd(int epoch, TrainerControl control) { }

    /// <summary>Called when the run has ended without an exception.</summary>
    void OnTrainEnd(TrainingResult result) { }
}
