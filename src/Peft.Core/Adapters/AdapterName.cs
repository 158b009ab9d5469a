namespace Peft;

/// <summary>The rule for names of adapters.</summary>
internal static class AdapterName
{
    /// <exception cref="ArgumentException">The name cannot be an adapter's.</exception>
    public static void Require(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (name == PeftModel.Base) throw new ArgumentException($"'{PeftModel.Base}' stands for the model without adapters: choose another name.", nameof(name));
    }
}
