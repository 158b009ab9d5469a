namespace Peft;

/// <summary>A prompt and the completion to learn.</summary>
/// <param name="Prompt">The input. The loss ignores it.</param>
/// <param name="Completion">The output that the model learns.</param>
public sealed record InstructionRow(string Prompt, string Completion);
