using Peft.Hub;

namespace Peft.Models;

/// <summary>Loads an adapter together with its base model, which the adapter's configuration names in <c>base_model_name_or_path</c>.</summary>
/// <remarks>
/// The base model is a local folder, relative to the working directory or to the adapter's folder; otherwise a model on the hub. If the adapter's folder contains a
/// tokenizer with added tokens, the base model's embeddings are resized for them.
/// </remarks>
public static class AutoPeftModel
{
    /// <summary>Loads a causal language model with its adapter.</summary>
    /// <param name="nameOrPath">The adapter: a local folder, or the id of its repository on the hub.</param>
    /// <param name="options">Dtype, device and other options of the base model. <see cref="PretrainedOptions.Revision"/> selects the revision of the adapter; the adapter's
    /// configuration selects that of the base model.</param>
    /// <param name="trainable">True to continue training the adapter; false to freeze it.</param>
    /// <exception cref="Checkpoints.CheckpointException">A file of the adapter is missing or damaged.</exception>
    /// <exception cref="ModelFolderException">The adapter names no base model, or the base model was not found.</exception>
    /// <exception cref="HubException">A file could not be downloaded.</exception>
    /// <exception cref="AdapterMismatchException">The adapter is for another task, or does not match the base model.</exception>
    public static AutoPeftModel<CausalLM> ForCausalLM(string nameOrPath, LoadOptions? options = null, bool trainable = false) => Load(nameOrPath, options, trainable, "CAUSAL_LM", CausalLM.FromPretrained);

    /// <summary>Loads a sequence-to-sequence language model with its adapter.</summary>
    /// <inheritdoc cref="ForCausalLM"/>
    public static AutoPeftModel<Seq2SeqLM> ForSeq2SeqLM(string nameOrPath, LoadOptions? options = null, bool trainable = false) => Load(nameOrPath, options, trainable, "SEQ_2_SEQ_LM", Seq2SeqLM.FromPretrained);

    /// <summary>Loads a masked language model with its adapter.</summary>
    /// <inheritdoc cref="ForCausalLM"/>
    public static AutoPeftModel<MaskedLM> ForMaskedLM(string nameOrPath, LoadOptions? options = null, bool trainable = false) => Load(nameOrPath, options, trainable, null, MaskedLM.FromPretrained);

    /// <summary>Loads a sequence classifier with its adapter. Set <see cref="LoadOptions.LabelCount"/> if its classes differ from those of the base model.</summary>
    /// <inheritdoc cref="ForCausalLM"/>
    public static AutoPeftModel<SequenceClassifier> ForSequenceClassification(string nameOrPath, LoadOptions? options = null, bool trainable = false) => Load(nameOrPath, options, trainable, "SEQ_CLS", (name, choices) => SequenceClassifier.FromPretrained(name, choices));

    /// <summary>Loads a token classifier with its adapter. Set <see cref="LoadOptions.LabelCount"/> if its classes differ from those of the base model.</summary>
    /// <inheritdoc cref="ForCausalLM"/>
    public static AutoPeftModel<TokenClassifier> ForTokenClassification(string nameOrPath, LoadOptions? options = null, bool trainable = false) => Load(nameOrPath, options, trainable, "TOKEN_CLS", TokenClassifier.FromPretrained);

    /// <summary>Loads a question answering model with its adapter.</summary>
    /// <inheritdoc cref="ForCausalLM"/>
    public static AutoPeftModel<QuestionAnswerer> ForQuestionAnswering(string nameOrPath, LoadOptions? options = null, bool trainable = false) => Load(nameOrPath, options, trainable, "QUESTION_ANS", QuestionAnswerer.FromPretrained);

    /// <summary>Loads a model without a head, for hidden states and embeddings, with its adapter.</summary>
    /// <inheritdoc cref="ForCausalLM"/>
    public static AutoPeftModel<FeatureExtractor> ForFeatureExtraction(string nameOrPath, LoadOptions? options = null, bool trainable = false) => Load(nameOrPath, options, trainable, "FEATURE_EXTRACTION", FeatureExtractor.FromPretrained);

    private static AutoPeftModel<T> Load<T>(string nameOrPath, LoadOptions? options, bool trainable, string? task, Func<string, LoadOptions?, T> open) where T : PretrainedModel
    {
        var folder = ModelSource.Resolve(nameOrPath, options, names => [.. ModelFiles.Adapter("")(names), .. ModelFiles.Tokenizer(names)]).Folder;
        var config = AdapterConfig.Read(folder);
        if (config.TaskType is { } trainedFor && task is not null && trainedFor != task)
            throw new AdapterMismatchException($"The adapter in {folder} is for the task {trainedFor}, not for {task}: call the method of {nameof(AutoPeftModel)} for that task.");
        var model = open(BaseOf(folder, config), (options ?? new()) with { Revision = config.Revision });
        try
        {
            Resize(model, folder, options);
            return new(model, model.ApplyAdapter(folder, trainable: trainable, logger: options?.Logger));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static string BaseOf(string folder, AdapterOptions config)
    {
        if (string.IsNullOrWhiteSpace(config.BaseModelNameOrPath))
            throw new ModelFolderException($"{Path.Combine(folder, AdapterConfig.FileName)} names no base model (base_model_name_or_path): load the model that the adapter was trained on yourself, and call ApplyAdapter(\"{folder}\") on it.");
        var name = config.BaseModelNameOrPath;
        var inAdapterFolder = Path.GetFullPath(Path.Combine(folder, name));
        if (Directory.Exists(name)) return name;
        if (Directory.Exists(inAdapterFolder)) return inAdapterFolder;
        if (HubNames.IsRepository(name)) return name;
        throw new ModelFolderException($"The base model '{name}' of the adapter in {folder} was not found: neither {Path.GetFullPath(name)} nor {inAdapterFolder} is a folder. Load it yourself, and call ApplyAdapter(\"{folder}\") on it.");
    }

    // A tokenizer is saved next to an adapter if tokens were added to it.
    private static void Resize(PretrainedModel model, string folder, LoadOptions? options)
    {
        if (!File.Exists(Path.Combine(folder, "tokenizer.json"))) return;
        var tokens = Tokenizer.FromPretrained(folder, options).VocabularySize;
        if (tokens > model.Spec.VocabularySize) model.ResizeTokenEmbeddings(tokens);
    }
}

/// <summary>A base model and the adapter it was loaded for. Disposing this disposes both.</summary>
/// <typeparam name="T">The model class.</typeparam>
public sealed class AutoPeftModel<T> : IDisposable where T : PretrainedModel
{
    internal AutoPeftModel(T model, PeftModel peft) => (Model, Peft) = (model, peft);

    /// <summary>The model, including the adapter.</summary>
    public T Model { get; }

    /// <summary>The model's adapters.</summary>
    public PeftModel Peft { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Peft.Dispose();
        Model.Dispose();
    }
}
