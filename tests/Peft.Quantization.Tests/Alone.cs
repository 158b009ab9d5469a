namespace Peft.Quantization.Tests;

/// <summary>Tests that measure the memory of the process, and run while no other does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
