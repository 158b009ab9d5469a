namespace Peft.Conformance.Tests.Alignment;

/// <summary>Tests of an objective, with the cases that they read.</summary>
public interface IObjectiveCases
{
    /// <summary>The ids of the cases that <see cref="ObjectiveTests{TSelf}"/> checks.</summary>
    static abstract IEnumerable<string> Ids { get; }
}
