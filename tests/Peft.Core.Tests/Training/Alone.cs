namespace Peft.Core.Tests.Training;

/// <summary>Tests beside which no others run: they measure the memory of the process, or change its options.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
