namespace Peft.Notebooks.Tests;

/// <summary>A cell failed, or the kernel ended.</summary>
public sealed class KernelException(string message) : Exception(message);
