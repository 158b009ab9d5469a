namespace Peft;

/// <summary>Options of an adapter that consists of other adapters, which are saved in subfolders of its folder (X-LoRA).</summary>
public interface ISavesParts
{
    /// <summary>The adapters that an adapter consists of.</summary>
    /// <param name="adapter">The adapter.</param>
    IEnumerable<SavedPart> PartsOf(Adapter adapter);

    /// <summary>The options with the folders of the parts resolved.</summary>
    /// <param name="folder">The folder that the options were read from.</param>
    AdapterOptions ResolveParts(string folder);
}
