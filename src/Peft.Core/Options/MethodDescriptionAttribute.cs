namespace Peft;

/// <summary>Describes a method for a table of methods, as an attribute of its options.</summary>
/// <param name="name">The authors' name of the method: <c>LoRA</c>.</param>
/// <param name="formula">The adapted weight W or output y, in the paper's notation.</param>
/// <param name="source">Source of the method: <c>Hu et al. 2021, arXiv:2106.09685</c>; empty if it has no particular one.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class MethodDescriptionAttribute(string name, string formula, string source) : Attribute
{
    /// <summary>The authors' name of the method.</summary>
    public string Name { get; } = name;

    /// <summary>The adapted weight or output, in the paper's notation.</summary>
    public string Formula { get; } = formula;

    /// <summary>Source of the method.</summary>
    public string Source { get; } = source;
}
