using System.Text.Json;
using Peft.Models;

namespace Peft.Cli;

/// <summary>What a model answers: text, the class of a text, or the tags of words. It chooses the model's head, the rows, and how answers are shown.</summary>
/// <param name="name">Its value of <c>--task</c>.</param>
/// <param name="adapterTask">The <c>task_type</c> of its adapters.</param>
/// <param name="architecture">The end of the name of its model classes in transformers.</param>
internal abstract class ModelTask(string name, string adapterTask, string architecture)
{
    public static IReadOnlyList<ModelTask> All { get; } = [new LanguageTask(), new ClassificationTask(), new TaggingTask()];

    public string Name => name;

    /// <summary>The task with this name; without one, that of the adapter, or else that of the model, or else language modelling.</summary>
    /// <param name="name">The value of <c>--task</c>.</param>
    /// <param name="adapter">Folder of an adapter.</param>
    /// <param name="model">Folder or id of the model.</param>
    public static ModelTask Of(string? name, string? adapter, string? model)
    {
        if (name is not null) return All.Single(each => each.Name == name);
        if (adapter is not null) return All.FirstOrDefault(each => each.AdapterTask == AdapterConfig.Read(adapter).TaskType) ?? All[0];
        return All.FirstOrDefault(each => Architectures(model).Any(found => found.EndsWith(each.Architecture, StringComparison.Ordinal))) ?? All[0];
    }

    private string AdapterTask => adapterTask;

    private string Architecture => architecture;

    /// <summary>Loads the model.</summary>
    public abstract PretrainedModel Load(string model, LoadOptions options);

    /// <summary>Opens rows.</summary>
    /// <param name="context">The call.</param>
    /// <param name="flags">How the rows are read.</param>
    /// <param name="source">The rows.</param>
    /// <param name="reading">How the rows are tokenized.</param>
    /// <param name="labels">The classes in the order of the model's outputs; null for those of the rows.</param>
    public abstract TrainingDataset Open(ToolContext context, TaskFlags flags, DataSource source, RowReading reading, IReadOnlyList<string>? labels);

    /// <summary>Writes what the model answers to the texts of rows.</summary>
    public abstract void Predict(ToolContext context, PretrainedModel model, Tokenizer tokenizer, DataSource source, int batchSize);

    /// <exception cref="ToolException">The options have a pooling.</exception>
    protected void RefusePooling(LoadOptions options)
    {
        if (options.Pooling is not null) throw new ToolException($"--pooling is for classifiers of texts, but the task is {Name}: leave it out, or name another task by --task.");
    }

    // A folder's config.json; a model of the hub and a GGUF file have none here.
    private static IReadOnlyList<string> Architectures(string? model)
    {
        if (model is null || Path.Combine(model, "config.json") is var file && !File.Exists(file)) return [];
        try
        {
            using var config = JsonDocument.Parse(File.ReadAllBytes(file));
            return config.RootElement.TryGetProperty("architectures", out var names) && names.ValueKind == JsonValueKind.Array ? [.. names.EnumerateArray().Select(each => each.ToString())] : [];
        }
        catch (JsonException)
        {
            return [];   // loading it says what is wrong
        }
    }
}
