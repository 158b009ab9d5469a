namespace Peft;

/// <summary>A prompt and the completion on which the model is trained.</summary>
/// <param name="Prompt">The input. The loss ignores it.</param>
/// <param name="Completion">The output. The loss is computed on its tokens.</param>
public sealed record InstructionRow(string Prompt, string Completion);
