namespace Peft;
/// <summary>Saved adapters.</summary>
public static class AdapterCheckpoint
{
    /// <summary>Saves.</summary>
    public static void SaveAdapter(this PeftModel model, string folder, string? name = null) => throw new NotSupportedException();
}
