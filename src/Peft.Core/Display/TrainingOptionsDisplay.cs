namespace Peft;

/// <summary>Settings of a run in a notebook.</summary>
internal sealed class TrainingOptionsDisplay : OptionsDisplay<TrainingOptions>;
