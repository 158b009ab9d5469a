namespace Peft.Checkpoints;

/// <summary>A function that rebuilds a value from its arguments, and a function that creates the exception if they are invalid.</summary>
internal sealed record PyTorchFunction(Func<object?[], Func<string, CheckpointException>, object?> Call) : PyTorchGlobal;
