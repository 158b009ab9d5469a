namespace Peft;

/// <summary>Options whose values limit the kinds of module further than <see cref="SupportedModulesAttribute"/> does, such as a variant of LoRA that is defined for linear modules only.</summary>
public interface ILimitsModules
{
    /// <summary>The kinds that the options allow at a module, and the name of the option that limits them; null for no limit.</summary>
    /// <param name="target">The module.</param>
    (ModuleKinds Kinds, string Option)? LimitAt(Target target);
}
