using Microsoft.Extensions.Logging;
using Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Saves and loads adapters as <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>, with the keys, shapes and dtypes of Hugging Face PEFT.</summary>
public static class AdapterCheckpoint
{
    /// <summary>Name of the file with the tensors.</summary>
    public const string FileName = "adapter_model.safetensors";

    internal const string PyTorchFileName = "adapter_model.bin";

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    /// <summary>
    /// Saves an adapter as Hugging Face PEFT does: the adapter <c>default</c> to the folder itself, any other adapter to a subfolder with its name. The save is atomic:
    /// the folder always contains either the complete old adapter or the complete new one. Other files in the folder are kept.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder; it is created if it does not exist.</param>
    /// <param name="name">Name of the adapter; if null, the only active one.</param>
    /// <param name="embeddings">When to also save the base model's token embedding and head.</param>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name, or <paramref name="name"/> is null and not exactly one adapter is active.</exception>
    public static void SaveAdapter(this PeftModel model, string folder, string? name = null, SaveEmbeddings embeddings = SaveEmbeddings.Auto)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        model.RequireLoaded();
        model.RequireOwnBase();
        using var held = model.Hold(name ?? (model.Active is [var only] ? only
            : throw new AdapterNotFoundException($"Name the adapter to save: {model.Active.Count} are active ({string.Join(", ", model.Active)}).")), out var adapter);
        using var pass = model.Pass();   // merging must wait, since base weights may also be saved
        using var scope = NewDisposeScope();
        var into = adapter.Name == PeftModel.DefaultName ? folder : Path.Combine(folder, adapter.Name);
        using var save = FolderSave.Begin(into);
        foreach (var part in (adapter.Options as ISavesParts)?.PartsOf(adapter) ?? []) Write(save, AdapterName.Require(part.Name), part.Options, part.Tensors);
        save.Replaces(name => name == TaskDescription.FileName);
        Write(save, "", adapter.Options is ISavedAfterTraining trained ? trained.AfterTraining(adapter.Layers) : adapter.Options, model.StateOf(adapter, embeddings));
        save.Commit();
    }

    /// <summary>Writes the files of an adapter atomically: configuration, tensors and, for a classifier, the task description.</summary>
    /// <param name="folder">The folder; it is created if it does not exist.</param>
    /// <param name="options">The configuration.</param>
    /// <param name="tensors">The tensors by their keys.</param>
    public static void Write(string folder, AdapterOptions options, IReadOnlyDictionary<string, Tensor> tensors)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(tensors);
        using var save = FolderSave.Begin(folder);
        save.Replaces(name => name == TaskDescription.FileName);
        Write(save, "", options, tensors);
        save.Commit();
    }

    private static void Write(FolderSave save, string subfolder, AdapterOptions options, IReadOnlyDictionary<string, Tensor> tensors)
    {
        if (options.Task is { } task) save.WriteText(Path.Combine(subfolder, TaskDescription.FileName), task.ToJson());
        SafetensorsWriter.Stage(save, Path.Combine(subfolder, FileName), tensors, Metadata);
        save.WriteText(Path.Combine(subfolder, AdapterConfig.FileName),
            AdapterConfig.Write(options with { InferenceMode = true, PeftVersion = options.PeftVersion ?? AdapterConfig.FormatVersion }));
    }

    /// <summary>Returns the tensors of an adapter by their keys in the file. They are views of the adapter's tensors, unless its method saves another form.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapter">One of its adapters.</param>
    /// <param name="embeddings">When to include the base model's token embedding and head.</param>
    public static IReadOnlyDictionary<string, Tensor> StateOf(this PeftModel model, Adapter adapter, SaveEmbeddings embeddings = SaveEmbeddings.Auto)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(adapter);
        using var _ = no_grad();
        var state = adapter.SavedTensors.ToDictionary(pair => pair.Key, pair => pair.Value);
        foreach (var (key, target) in BaseEmbeddings.ToSave(model, adapter, embeddings)) state.TryAdd(key, model.BaseOf(target.Storage).Read().detach());
        return state;
    }

    /// <summary>
    /// Adds an adapter from a folder. The first adapter of a model becomes active immediately; others become active when <see cref="PeftModel.Activate(string[])"/>
    /// is called. If the file contains the base model's token embedding, the model must have the same embedding, resized to the same size. Rows that the resizing added
    /// take their values from the file.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">
    /// A folder with the two files. The tensors may also be in PyTorch's <c>adapter_model.bin</c>. If only subfolders contain an adapter, the subfolder
    /// with the given name is used, or else the only subfolder with an adapter: <see cref="SaveAdapter"/> saves adapters other than <c>default</c> to such subfolders.
    /// </param>
    /// <param name="name">Name of the adapter in this model.</param>
    /// <param name="trainable">
    /// True to continue training. False by default, as in Hugging Face PEFT (<c>is_trainable</c>): the adapter is frozen until
    /// <see cref="PeftModel.Unfreeze"/>.
    /// </param>
    /// <param name="logger">Receives <see cref="Adapter.Warnings"/>, such as a base model with another name.</param>
    /// <returns>The model.</returns>
    /// <exception cref="AdapterMismatchException">Keys are missing or unexpected, or shapes differ. The message names them. The model is unchanged.</exception>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public static PeftModel LoadAdapter(this PeftModel model, string folder, string name = PeftModel.DefaultName, bool trainable = false, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        AdapterName.Require(name);
        model.RequireLoaded();
        using var scope = NewDisposeScope();
        using var saved = SavedAdapter.Open(folder, name);
        // A method whose saved form differs from its trained form loads the saved form.
        using (Room(model, saved))
            model.Add(name, saved.Resolved with { InferenceMode = true }, adapter =>
            {
                Fill(model, adapter, saved.Options, saved.Tensors, saved.Folder);
                if (saved.Folder == folder && File.Exists(Path.Combine(folder, name, AdapterConfig.FileName)))
                    adapter.Warnings = [.. adapter.Warnings, $"Adapter '{name}' was loaded from {folder} itself. Another adapter is in {Path.Combine(folder, name)}: pass that folder to load it."];
                adapter.IsFrozen = !trainable;
            });
        BaseModelName.Log(logger, model.Find(name));
        return model;
    }

    /// <summary>
    /// Replaces an adapter by a saved one of any method, while the model serves requests. Running forward passes and generations finish with the old
    /// adapter; all later ones use the new one. The new adapter is active or frozen if the old one was.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="name">The adapter to replace.</param>
    /// <param name="folder">The saved adapter.</param>
    /// <param name="logger">Receives <see cref="Adapter.Warnings"/>.</param>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="AdapterMismatchException">The saved adapter does not fit the model, which is unchanged.</exception>
    /// <exception cref="CheckpointException">A file is missing or damaged. The model is unchanged.</exception>
    /// <exception cref="PeftException">Adapters are merged, another adapter uses this one, or it is being trained.</exception>
    public static void HotSwap(this PeftModel model, string name, string folder, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.RequireLoaded();
        using var scope = NewDisposeScope();
        using var saved = SavedAdapter.Open(folder, name);
        using (Room(model, saved))
            model.Exchange(name, saved.Resolved with { InferenceMode = true }, adapter => Fill(model, adapter, saved.Options, saved.Tensors, saved.Folder));
        BaseModelName.Log(logger, model.Find(name));
    }

    /// <summary>
    /// Opens the tensors of a saved adapter: <c>adapter_model.safetensors</c>, or else PyTorch's <c>adapter_model.bin</c>, which Hugging Face PEFT
    /// wrote before version 0.7 and writes with <c>safe_serialization=False</c>.
    /// </summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <exception cref="CheckpointException">There is no such file, or it is damaged.</exception>
    public static ITensorSource OpenTensors(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        FolderSave.Recover(folder);
        if (!Path.Exists(Path.Combine(folder, FileName)) && !Path.Exists(Path.Combine(folder, PyTorchFileName))) folder = AdapterFolder.Find(folder);
        var (file, older) = (Path.Combine(folder, FileName), Path.Combine(folder, PyTorchFileName));
        return WeightFile.Open(Path.Exists(file) || !Path.Exists(older) ? file : older);
    }

    private static IDisposable Room(PeftModel model, SavedAdapter saved)
        => TensorBudget.For(saved.Tensors.Tensors.Values.Select(tensor => tensor.ByteLength).Concat(model.Module.parameters().Select(parameter => parameter.numel() * parameter.ElementSize)));

    private static void Fill(PeftModel model, Adapter adapter, AdapterOptions options, ITensorSource file, string folder)
    {
        using var _ = no_grad();
        adapter.Options = options with { Task = adapter.Options.Task };   // so that it is saved again as it was loaded
        var expected = adapter.Tensors.Where(pair => pair.Tensor.IsSaved).ToDictionary(pair => pair.Key, pair => pair.Tensor.Value);
        foreach (var (key, tensor, owner) in adapter.Owned.Where(each => each.Tensor.IsSaved))
            if (file.Tensors.TryGetValue(key, out var info) && !info.Shape.SequenceEqual(tensor.Value.shape) && owner is IAcceptsOtherShapes other && other.Accepts(tensor, info.Shape.ToArray()))
                TensorOwner.Replace(tensor.Value, file.Read(key));
        foreach (var owned in adapter.Owned.Where(each => each.Tensor.IsSaved && each.Owner is IMayBeMissing && !file.Tensors.ContainsKey(each.Key)).GroupBy(each => each.Owner))
        {
            adapter.Warnings = [.. adapter.Warnings, $"Adapter '{adapter.Name}': {folder} {((IMayBeMissing)owned.Key).MissingWarning}"];
            foreach (var (key, _, _) in owned) expected.Remove(key);
        }
        var copies = adapter.SavedCopies.Select(pair => pair.Key).ToHashSet();
        var embeddings = BaseEmbeddings.In(file, model, adapter, folder).Where(pair => !expected.ContainsKey(pair.Key)).ToList();
        Compare(model, folder,
            missing: [.. expected.Keys.Where(key => !file.Tensors.ContainsKey(key))],
            unexpected: [.. file.Tensors.Keys.Where(key => !expected.ContainsKey(key) && !copies.Contains(key) && embeddings.All(pair => pair.Key != key))],
            shapes: [.. expected.Where(pair => file.Tensors.TryGetValue(pair.Key, out var info) && !info.Shape.SequenceEqual(pair.Value.shape))
                .Select(pair => $"{pair.Key} is [{string.Join(", ", file.Tensors[pair.Key].Shape)}] in the file and [{string.Join(", ", pair.Value.shape)}] in the model")]);
        BaseEmbeddings.Load(embeddings, file, model, folder);
        foreach (var (key, value) in expected) value.copy_(file.Read(key));
        adapter.Loaded();
    }

    private static void Compare(PeftModel model, string folder, List<string> missing, List<string> unexpected, List<string> shapes)
    {
        if (missing.Count + unexpected.Count + shapes.Count == 0) return;
        var problems = new List<string>();
        if (missing.Count > 0) problems.Add($"{missing.Count} missing ({Some(missing)})");
        if (unexpected.Count > 0) problems.Add($"{unexpected.Count} unexpected ({Some(unexpected)})");
        if (shapes.Count > 0) problems.Add($"{shapes.Count} of another shape ({Some(shapes)})");
        throw new AdapterMismatchException($"The adapter in {folder} does not fit this {model.Module.GetType().Name}: {string.Join("; ", problems)}. The base model must be the one on which it was trained.");

        static string Some(List<string> all) => string.Join(", ", all.Take(5)) + (all.Count > 5 ? ", …" : "");
    }
}
