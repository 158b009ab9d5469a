namespace Peft.Hosting;

/// <summary>A part of a completion.</summary>
/// <param name="Text">Its text, which may be empty.</param>
/// <param name="PromptTokens">Number of tokens of the prompt.</param>
/// <param name="NewTokens">Number of new tokens so far.</param>
/// <param name="FinishReason">Null except in the last part: <c>stop</c> or <c>length</c>.</param>
public sealed record TextCompletion(string Text, int PromptTokens, int NewTokens, string? FinishReason = null);
