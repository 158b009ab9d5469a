namespace Peft.Report;

/// <summary>A text of the model.</summary>
/// <param name="Step">Number of optimizer steps done before it was made; 0 before training.</param>
/// <param name="Prompt">The prompt, or the name of the list that a training objective gave the text in.</param>
/// <param name="Text">The text.</param>
public sealed record RunSample(int Step, string Prompt, string Text);
