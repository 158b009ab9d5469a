namespace Peft;

/// <summary>What a table of methods says of one, on its options.</summary>
/// <param name="name">Its name as its authors write it: <c>LoRA</c>.</param>
/// <param name="formula">What becomes of a weight W or an output y, in the paper's letters.</param>
/// <param name="source">Where it comes from: <c>Hu et al. 2021, arXiv:2106.09685</c>; empty if nobody in particular.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class MethodDescriptionAttribute(string name, string formula, string source) : Attribute
{
    /// <summary>Its name as its authors write it.</summary>
    public string Name { get; } = name;

    /// <summary>What becomes of a weight or an output.</summary>
    public string Formula { get; } = formula;

    /// <summary>Where it comes from.</summary>
    public string Source { get; } = source;
}
