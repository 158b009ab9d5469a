using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Peft.Hosting;

/// <summary>
/// Lists, loads, swaps and unloads adapters while requests run; requests that were submitted keep theirs. Folders must be below <see cref="PeftOptions.AdapterFolders"/>.
/// Thread-safe: one change at a time.
/// </summary>
public sealed class AdapterManager
{
    private readonly ServedModel served;
    private readonly PeftOptions options;
    private readonly ILogger? logger;
    private readonly Lock change = new();

    internal AdapterManager(ServedModel served, IOptions<PeftOptions> options, ILoggerFactory? loggers)
        => (this.served, this.options, logger) = (served, options.Value, loggers?.CreateLogger("Peft.Hosting"));

    /// <summary>The names of the adapters, in ordinal order.</summary>
    public IReadOnlyList<string> Names => [.. served.Peft.Adapters.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Loads an adapter under a new name.</summary>
    /// <param name="name">Its name for requests.</param>
    /// <param name="folder">Its folder; relative paths are resolved against each of <see cref="PeftOptions.AdapterFolders"/>.</param>
    /// <exception cref="AdapterRefusedException">The folder is not allowed, the name is taken, or there are too many adapters.</exception>
    /// <exception cref="AdapterNameException">The name is not valid.</exception>
    /// <exception cref="AdapterMismatchException">The adapter does not fit the model.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A file is missing or damaged.</exception>
    public void Load(string name, string folder)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(folder);
        lock (change)
        {
            if (name == served.Name) throw new AdapterRefusedException($"'{name}' is the name of the base model: choose another.");
            if (served.Peft.Adapters.ContainsKey(name)) throw new AdapterRefusedException($"There is an adapter '{name}' already: swap or unload it, or choose another name.");
            if (served.Peft.Adapters.Count >= options.MaxAdapters) throw new AdapterRefusedException($"{options.MaxAdapters} adapters are loaded, which is the maximum ({nameof(PeftOptions.MaxAdapters)}): unload one first.");
            served.Peft.LoadAdapter(AllowedFolder.Find(folder, options.AdapterFolders), name, logger: logger);
        }
    }

    /// <summary>Replaces an adapter by a saved one: requests that were submitted get the old one, later ones the new one.</summary>
    /// <param name="name">The adapter to replace.</param>
    /// <param name="folder">The folder of the new one, as in <see cref="Load"/>.</param>
    /// <exception cref="AdapterNotFoundException">There is no such adapter.</exception>
    /// <exception cref="AdapterRefusedException">The folder is not allowed.</exception>
    /// <exception cref="AdapterMismatchException">The adapter does not fit the model.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A file is missing or damaged.</exception>
    public void Swap(string name, string folder)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(folder);
        lock (change) served.Peft.HotSwap(name, AllowedFolder.Find(folder, options.AdapterFolders), logger);
    }

    /// <summary>Removes an adapter. Requests that were submitted still use it.</summary>
    /// <exception cref="AdapterNotFoundException">There is no such adapter.</exception>
    /// <exception cref="AdapterRefusedException">It is <see cref="PeftOptions.DefaultAdapter"/>.</exception>
    public void Unload(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (change)
        {
            if (name == served.DefaultAdapter) throw new AdapterRefusedException($"'{name}' is the adapter of requests that name none ({nameof(PeftOptions.DefaultAdapter)}): swap it instead.");
            served.Peft.Delete(name);
        }
    }
}
