namespace PretrainAndFineTune;

/// <summary>The result of a fine-tuning.</summary>
/// <param name="Kind">The kind of model.</param>
/// <param name="Task">Name of the task.</param>
/// <param name="Method">Name of the method.</param>
/// <param name="Score">Accuracy or F1 on the test set.</param>
/// <param name="Trainable">Number of trained parameters, head included.</param>
/// <param name="Seconds">Time of all cores in the training.</param>
internal sealed record Outcome(Kind Kind, string Task, string Method, double Score, long Trainable, double Seconds);
