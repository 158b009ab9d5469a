namespace Peft;

/// <summary>Options of an adapter that consists of other adapters, which are saved in subfolders of its folder (X-LoRA).</summary>
public interface ISavesParts
{
    /// <summary>Returns the adapters of which an adapter consists.</summary>
    /// <param name="adapter">The adapter.</param>
    IEnumerable<SavedPart> PartsOf(Adapter adapter);

    /// <summary>Returns the options with resolved folders of the parts.</summary>
    /// <param name="folder">The folder from which the options were read.</param>
    AdapterOptions ResolveParts(string folder);
}
