namespace Peft.Cli;

/// <summary>How two tensors of one name differ.</summary>
internal sealed record TensorDifference(string Name, double? Relative, double? Cosine, string? Note);
