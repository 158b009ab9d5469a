namespace Peft.Report;

/// <summary>Writes a page about a run: <c>new Trainer(model, data, options) { Callbacks = [new HtmlReport("out/report.html")] }</c>.</summary>
/// <remarks>
/// The page is written at the beginning, after each evaluation, at each checkpoint and at the end. It needs no other file and no connection. Next to it, a
/// <see cref="RunRecorder"/> writes <c>out/report.jsonl</c>, from which <see cref="RunPage"/> makes the page of a killed run, and <see cref="ComparisonPage"/>
/// one of several runs.
/// </remarks>
/// <param name="path">The page.</param>
public sealed class HtmlReport(string path) : ITrainerCallback, IDisposable
{
    private RunRecorder? recorder;

    /// <summary>The page.</summary>
    public string File { get; } = string.IsNullOrWhiteSpace(path) ? throw new ArgumentException("The report needs a path, such as out/report.html.", nameof(path)) : path;

    /// <summary>The log of the run that is written next to the page.</summary>
    public string LogFile => Log ?? Path.ChangeExtension(File, ".jsonl");

    /// <summary>Another path for the log; null for one next to the page.</summary>
    public string? Log { get; init; }

    /// <inheritdoc cref="RunRecorder.Name"/>
    public string? Name { get; init; }

    /// <inheritdoc cref="RunRecorder.Prompts"/>
    public IReadOnlyList<string> Prompts { get; init; } = [];

    /// <inheritdoc cref="RunRecorder.Complete"/>
    public Func<string, string>? Complete { get; init; }

    /// <inheritdoc/>
    public void OnTrainBegin(TrainerControl control)
    {
        recorder?.Dispose();
        recorder = new(LogFile) { Name = Name, Prompts = Prompts, Complete = Complete };
        recorder.OnTrainBegin(control);
        Write();
    }

    /// <inheritdoc/>
    public void OnStepEnd(TrainingProgress progress, TrainerControl control) => recorder?.OnStepEnd(progress, control);

    /// <inheritdoc/>
    public void OnEvaluated(EvaluationResult evaluation, TrainerControl control)
    {
        recorder?.OnEvaluated(evaluation, control);
        Write();
    }

    /// <inheritdoc/>
    public void OnSaved(string folder, TrainerControl control)
    {
        recorder?.OnSaved(folder, control);
        Write();
    }

    /// <inheritdoc/>
    public void OnTrainEnd(TrainingResult result)
    {
        recorder?.OnTrainEnd(result);
        Write();
    }

    /// <summary>Closes the log.</summary>
    public void Dispose() => recorder?.Dispose();

    private void Write()
    {
        if (recorder is not null) RunPage.Write(RunRecord.Read(recorder.File), File);
    }
}
