using Peft.Models;

namespace Peft.Cli;

/// <summary>A model with any number of adapters, as commands that use it open it.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly ModelFlags flags = new();
    private readonly Option<string[]> adapters = new("--adapter", "-a") { Description = "An adapter: its folder or its id on the hub, or NAME=FOLDER. Without --model, its own base model is loaded.", HelpName = "folder|id" };

    /// <summary>The options.</summary>
    public IEnumerable<Option> All => [.. flags.All, adapters];

    /// <summary>What the model answers.</summary>
    public ModelTask Task { get; private set; } = null!;

    /// <summary>The model.</summary>
    public PretrainedModel Pretrained { get; private set; } = null!;

    /// <summary>The model, if it continues texts.</summary>
    /// <exception cref="ToolException">It has another task.</exception>
    public CausalLM Model => Pretrained as CausalLM ?? throw new ToolException($"This command needs a model that continues texts, but the task of this one is {Task.Name}: peft predict, eval and merge take it.");

    /// <summary>Its tokenizer.</summary>
    public Tokenizer Tokenizer { get; private set; } = null!;

    /// <summary>Its adapters; null if it has none. The first is active.</summary>
    public PeftModel? Peft { get; private set; }

    /// <summary>Loads what the command line names.</summary>
    /// <param name="context">The call.</param>
    /// <param name="trainable">True if the adapter gets gradients.</param>
    /// <param name="several">True if there may be more than one adapter.</param>
    /// <param name="template">The option of a chat template.</param>
    /// <param name="task">The option of the task.</param>
    /// <exception cref="ToolException">It names neither a model nor an adapter, or too many.</exception>
    public LoadedModel Open(ToolContext context, bool trainable = false, bool several = false, Option<string>? template = null, Option<string>? task = null)
    {
        var named = (context.Get(adapters) ?? []).Select(Named).ToList();
        if (named.Count > 1 && !several) throw new ToolException($"peft {context.Parse.CommandResult.Command.Name} takes one adapter, but was given {named.Count}: `peft combine` makes one of several.");
        var load = flags.Load(context);
        if (context.Get(flags.Model) is null && named.Count == 0) throw new ToolException("Which model? Name it by --model (a folder, or an id on the hub), or an adapter by --adapter.");
        var name = context.Get(flags.Model) ?? BaseOf(named[0].Source, load);
        Task = ModelTask.Of(task is null ? null : context.Get(task), named.Count > 0 ? Folder(named[0].Source, load) : null, name);
        Pretrained = Task.Load(name, load);
        Tokenizer = Tokenizers.Load(context, name, load, template);
        foreach (var (adapter, source) in named)
        {
            var folder = Folder(source, load);
            if (Peft is null) Peft = Pretrained.ApplyAdapter(folder, adapter, trainable, new TextLogger(context));
            else Peft.LoadAdapter(folder, adapter, trainable, new TextLogger(context));
        }
        Peft?.Activate(named[0].Name);
        return this;
    }

    /// <summary>The folder of an adapter, downloaded if it is not a local one.</summary>
    public static string Folder(string source, LoadOptions load)
    {
        if (Path.Exists(source) || !IsRepository(source)) return source;
        using var hub = new HubClient(load.Hub);
        try
        {
            return hub.DownloadAdapter(source);
        }
        catch (HubException error)
        {
            throw new ToolException($"There is no folder '{source}', and downloading an adapter of that name from the hub failed. {error.Message}", error);
        }
    }

    /// <summary>The base model that an adapter names, as a folder or an id.</summary>
    public static string BaseOf(string source, LoadOptions load)
    {
        var folder = Folder(source, load);
        var name = AdapterConfig.Read(folder).BaseModelNameOrPath;
        if (string.IsNullOrWhiteSpace(name)) throw new ToolException($"The adapter {source} does not say which model it was trained on: name it by --model.");
        if (Directory.Exists(name)) return name;
        var beside = Path.GetFullPath(Path.Combine(folder, name));
        return Directory.Exists(beside) ? beside : IsRepository(name) ? name : throw new ToolException($"The base model '{name}' of the adapter {source} is not a folder here: name it by --model.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Peft?.Dispose();
        Pretrained?.Dispose();
    }

    // NAME=FOLDER, or a folder whose last part is the name; a single adapter without a name is the default one.
    private static (string Name, string Source) Named(string text, int index)
    {
        var at = text.IndexOf('=', StringComparison.Ordinal);
        if (at > 0) return (text[..at], text[(at + 1)..]);
        var last = Path.GetFileName(Path.TrimEndingDirectorySeparator(text));
        return (index == 0 || !AdapterName.IsValid(last) ? index == 0 ? PeftModel.DefaultName : $"adapter{index + 1}" : last, text);
    }

    private static bool IsRepository(string name) => name.Split('/') is [{ Length: > 0 }, { Length: > 0 }] && !name.StartsWith('.') && !name.StartsWith('/') && !name.Contains('\\', StringComparison.Ordinal);
}
