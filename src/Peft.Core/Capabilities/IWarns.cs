namespace Peft;

/// <summary>Options that warn of models with which they mean something else than their user may expect (<see cref="Adapter.Warnings"/>).</summary>
public interface IWarns
{
    /// <summary>Returns the warnings for a model, each a sentence.</summary>
    /// <param name="targets">The adapted modules.</param>
    /// <param name="model">The model.</param>
    IEnumerable<string> Warnings(IReadOnlyList<Target> targets, ModelTree model);
}
