namespace PretrainAndFineTune;

/// <summary>The result of a pretraining.</summary>
/// <param name="Kind">The kind of model.</param>
/// <param name="Folder">Folder of model and tokenizer.</param>
/// <param name="Parameters">Number of parameters.</param>
/// <param name="Tokens">Number of tokens that it was trained on, repetitions included.</param>
/// <param name="FirstLoss">Loss of the first step.</param>
/// <param name="LastLoss">Mean loss of the last 50 steps.</param>
/// <param name="Seconds">Time of all cores.</param>
internal sealed record Pretrained(Kind Kind, string Folder, long Parameters, long Tokens, double FirstLoss, double LastLoss, double Seconds);
