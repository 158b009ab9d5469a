using Peft.Checkpoints;

namespace Peft;

/// <summary>An opened saved adapter: its options and tensors. Both belong to the same save, even if another process overwrites it.</summary>
public sealed class SavedAdapter : IDisposable
{
    // Saving takes longer than reading a configuration, so more than one concurrent save is unlikely.
    private const int MaxAttempts = 20;

    private SavedAdapter(string folder, AdapterOptions options, ITensorSource tensors) => (Folder, Options, Tensors) = (folder, options, tensors);

    /// <summary>The folder with the files.</summary>
    public string Folder { get; }

    /// <summary>The configuration.</summary>
    public AdapterOptions Options { get; }

    /// <summary>The configuration with resolved folders of the adapter's parts.</summary>
    internal AdapterOptions Resolved => Options is ISavesParts parts ? parts.ResolveParts(Folder) : Options;

    /// <summary>The tensors by their keys.</summary>
    public ITensorSource Tensors { get; }

    /// <summary>Opens a saved adapter.</summary>
    /// <param name="folder">
    /// A folder with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> (or PyTorch's <c>adapter_model.bin</c>), or one with an adapter in a
    /// subfolder, as <see cref="AdapterCheckpoint.SaveAdapter"/> saves adapters other than <c>default</c>.
    /// </param>
    /// <param name="name">The subfolder to open if several contain adapters.</param>
    /// <exception cref="CheckpointException">There is no adapter, there are several, or a file is missing or damaged.</exception>
    /// <exception cref="AdapterOptionsException">The method is unknown.</exception>
    public static SavedAdapter Open(string folder, string? name = null)
    {
        folder = AdapterFolder.Find(folder, name);
        var config = Path.Combine(folder, AdapterConfig.FileName);
        for (var attempt = 1; ; attempt++)
        {
            using var pinned = new PinnedFile(config);
            var text = JsonFile.Read(config);
            var options = AdapterConfig.Parse(text, config) with { Task = TaskDescription.Read(folder) };
            var tensors = AdapterCheckpoint.OpenTensors(folder);
            if (attempt == MaxAttempts || pinned.IsCurrent) return new(folder, options, tensors);
            tensors.Dispose();
        }
    }

    /// <summary>Closes the file. Tensors that were read stay valid.</summary>
    public void Dispose() => Tensors.Dispose();
}
