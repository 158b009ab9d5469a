namespace Peft;

/// <summary>Displays the options of a run in a notebook.</summary>
internal sealed class TrainingOptionsDisplay : OptionsDisplay<TrainingOptions>;
