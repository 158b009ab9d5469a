namespace Peft;

/// <summary>Describes a method for the table of methods, as an attribute of its options.</summary>
/// <param name="name">Name of the method, as its authors write it: <c>LoRA</c>.</param>
/// <param name="formula">The adapted weight W or output y, in the paper's notation.</param>
/// <param name="source">Source of the method: <c>Hu et al. 2021, arXiv:2106.09685</c>; empty if there is none.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class MethodDescriptionAttribute(string name, string formula, string source) : Attribute
{
    /// <summary>Name of the method, as its authors write it.</summary>
    public string Name { get; } = name;

    /// <summary>The adapted weight or output, in the paper's notation.</summary>
    public string Formula { get; } = formula;

    /// <summary>Source of the method.</summary>
    public string Source { get; } = source;
}
