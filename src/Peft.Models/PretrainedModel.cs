using Microsoft.Extensions.Logging;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A pretrained transformer with a head. The names of its modules and parameters are Hugging Face's.</summary>
public abstract partial class PretrainedModel : nn.Module<Tensor, Tensor>, IOutputModel, IPromptedModel, IReordersLayers
{
    private readonly string basePath;

    private protected PretrainedModel(ModelConfig config, TransformerSpec spec, Placement at, bool bare = false, string? path = null) : base("")
    {
        Config = config;
        Spec = spec;
        Device = at.Device;
        Backbone = Backbone.Create(spec, at);
        basePath = bare ? "" : path ?? (spec.Kind == TransformerKind.EncoderDecoder ? "" : spec.Names.Base);
        Backbone.PlaceInto(this, basePath);
    }

    // The description names the modules, not the fields.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <summary>The configuration that the model was made from.</summary>
    public ModelConfig Config { get; private protected set; }

    /// <summary>The architecture.</summary>
    public TransformerSpec Spec { get; private set; }

    /// <inheritdoc/>
    public string ModelType => Config.ModelType;

    /// <inheritdoc/>
    public abstract string? TaskType { get; }

    /// <inheritdoc/>
    public string? NameOrPath { get; private set; }

    /// <inheritdoc/>
    public int? ResizedFrom { get; private set; }

    /// <inheritdoc/>
    public PromptShape PromptShape => new(Spec.HiddenSize, Spec.Encoder?.LayerCount ?? Spec.LayerCount, Spec.HeadCount, Spec.KeyValueHeadCount, Spec.HeadSize, Spec.Kind == TransformerKind.EncoderDecoder ? 2 : 1, Spec.Kind == TransformerKind.Decoder)
    {
        PrefixedLayerCount = Spec.LayerCount, LookupScale = Spec.ScalesAtLookup ? Spec.EmbeddingScale : 1,
    };

    /// <summary>Virtual tokens of the adapters in effect; null for none.</summary>
    internal PromptStack? Prompts => PeftModel.Of(this)?.Prompts;

    nn.Module IPretrainedModel.InputEmbeddings => InputEmbeddings;

    nn.Module? IPretrainedModel.Head => HeadModule;

    IReadOnlyList<string> IPretrainedModel.EmbeddingCopies => Spec.Encoder is not { } encoder ? []
        : [.. new[] { encoder, Spec }.Select(stack => $"{BasePrefix}{stack.Names.Base}.{Spec.Names.EmbeddingCopy}")];

    int IReordersLayers.LayerCount => Spec.LayerCount;

    IDisposable IReordersLayers.Reorder(IReadOnlyList<int> order, Func<bool> isActive) => Backbone.Reorder(order, isActive);

    internal abstract AdaptableModule? HeadModule { get; }

    /// <summary>Parameters that the checkpoint lacked and that were drawn at random: they need training.</summary>
    public IReadOnlyList<string> InitializedParameters { get; private set; } = [];

    /// <summary>Parameters that are another one under a second name; they are not saved.</summary>
    public IReadOnlySet<string> TiedParameters { get; private protected set; } = new HashSet<string>();

    /// <summary>
    /// Whether layers keep their inputs alone in training and run again in the backward pass: memory for one layer's activations instead
    /// of all, for about a third more time. Has no effect where nothing takes gradients.
    /// </summary>
    public bool CheckpointActivations { get => Backbone.CheckpointActivations; set => Backbone.CheckpointActivations = value; }

    /// <summary>The token embedding, <c>[vocabulary, hidden]</c>.</summary>
    public Embedding InputEmbeddings => Backbone.Embedding;

    internal Backbone Backbone { get; }

    internal Device Device { get; }

    /// <summary>The embeddings of token ids as <see cref="ModelInput.Embeddings"/> has them.</summary>
    internal Tensor EmbedTokens(Tensor ids)
    {
        var looked = InputEmbeddings.call(ids);
        if (!Spec.ScalesAtLookup) return looked;
        using (looked) return looked.mul(Spec.EmbeddingScale);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The model is no decoder.</exception>
    public IReadOnlyList<KeyValuePrefix> KeysAndValues(Tensor inputIds)
    {
        ArgumentNullException.ThrowIfNull(inputIds);
        if (Spec.Kind != TransformerKind.Decoder) throw new NotSupportedException($"A {Config.ModelType} keeps no keys and values of a text: only a decoder does.");
        using var plain = PeftModel.Of(this)?.WithoutAdapters();
        using var pass = PeftModel.Of(this)?.Pass();
        using var modes = new ModuleModes(this);
        using var _ = no_grad();
        using var cache = new KeyValueCache((int)inputIds.shape[1]);
        eval();
        using var hidden = Backbone.call(new ModelInput { InputIds = inputIds, Cache = cache });
        return [.. Enumerable.Range(0, Spec.LayerCount).Select(cache.Held)];
    }

    /// <summary>Says that the vocabulary has another size now.</summary>
    internal void SetVocabulary(int size)
    {
        var original = ResizedFrom ?? Spec.VocabularySize;
        ResizedFrom = original == size ? null : original;
        Config = Config.With("vocab_size", size);
        Spec = Spec with { VocabularySize = size };
    }

    /// <summary>Whether a checkpoint may lack the parameter.</summary>
    internal virtual bool MayInitialize(string name) => false;

    /// <summary>Whether a parameter of another shape in the checkpoint is drawn anew: the head for another set of labels.</summary>
    internal virtual bool MayReplace(string name) => false;

    /// <summary>The key of a parameter in checkpoints of this model.</summary>
    internal virtual string KeyOf(string name) => name;

    /// <summary>What the keys of the model without its head begin with in a checkpoint with these keys: <c>bert.</c>; empty where nothing stands before them.</summary>
    internal string KeyPrefix(IReadOnlyCollection<string> keys)
    {
        // Some heads call the model without its head by another name than its language model does.
        if (BasePrefix.Length == 0 && Spec.Kind == TransformerKind.EncoderDecoder) return "";
        string[] known = [BasePrefix, .. Spec.Kind == TransformerKind.EncoderDecoder ? [] : new[] { Spec.Names.Base, Spec.AnsweringBase }.OfType<string>().Select(path => path + ".")];
        return Array.Find(known, prefix => prefix.Length > 0 && keys.Any(key => key.StartsWith(prefix, StringComparison.Ordinal))) ?? "";
    }

    /// <summary>What they begin with in this model.</summary>
    internal string BasePrefix => basePath.Length == 0 ? "" : basePath + ".";

    /// <summary>The model's output for token ids <c>[batch, sequence]</c>.</summary>
    public sealed override Tensor forward(Tensor input) => forward(new ModelInput { InputIds = input });

    /// <summary>The model's output.</summary>
    public abstract Tensor forward(ModelInput input);

    /// <inheritdoc/>
    public Tensor Loss(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        using var own = batch.Labels is null ? LabelsOf(batch) : null;
        using var tasks = TasksOf(batch);
        return Loss(InputOf(batch), LabelsOf(batch, own));
    }

    /// <inheritdoc/>
    public (Tensor Loss, Tensor Output) LossAndOutput(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        using var own = batch.Labels is null ? LabelsOf(batch) : null;
        using var tasks = TasksOf(batch);
        return LossAndOutput(InputOf(batch), LabelsOf(batch, own));
    }

    /// <summary>The loss, and the output without that of virtual tokens.</summary>
    private protected virtual (Tensor Loss, Tensor Output) LossAndOutput(ModelInput input, Tensor labels) => (Loss(input, labels), forward(input));

    private IDisposable? TasksOf(Batch batch) => batch.Extra.TryGetValue("task_ids", out var ids) ? PeftModel.Of(this)?.Tasks([.. ids.cpu().data<long>().Select(id => (int)id)]) : null;

    private static Tensor LabelsOf(Batch batch, Tensor? own) => batch.Labels ?? own ?? throw new ArgumentException("The batch has no labels.", nameof(batch));

    // A tokenizer's template tells a pair's texts apart whether the model can or not.
    private ModelInput InputOf(Batch batch)
    {
        var input = ModelInput.From(batch);
        return Spec.TokenTypeCount == 0 ? input with { TokenTypeIds = null } : input;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Rows, or packed sequences, of about as many tokens in each part. Not where layers run again in the backward pass, or where the active adapters
    /// depend on the batch as a whole, put labels of their own before the input, or get a task per row; nor where rotary frequencies follow from the
    /// longest sequence.
    /// </remarks>
    public IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return FirstLabel is { } first && !CheckpointActivations && Spec.Rotary?.Scaling is not (DynamicScaling or LongRopeScaling) && !batch.Extra.ContainsKey("task_ids") && PeftModel.Of(this)?.RowsAreIndependent != false
            ? BatchDivision.Of(batch, parts, first)
            : [batch];
    }

    /// <summary>The first position whose label the loss is a mean over; null where the loss is no mean over labels.</summary>
    private protected virtual int? FirstLabel => 0;

    /// <summary>Labels that stand elsewhere in the batch, as a new tensor; null if there are none.</summary>
    private protected virtual Tensor? LabelsOf(Batch batch) => null;

    /// <summary>The mean loss, a scalar with a gradient.</summary>
    /// <param name="input">The input.</param>
    /// <param name="labels">What to learn, as <see cref="Batch.Labels"/>.</param>
    public abstract Tensor Loss(ModelInput input, Tensor labels);

    private protected static T Open<T>(string nameOrPath, LoadOptions? options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        options ??= new();
        return Open(ModelSource.Resolve(nameOrPath, options), options, create);
    }

    private protected static T Open<T>(ModelSource source, LoadOptions options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        var config = ModelConfig.FromFolder(source.Folder, options.Limits).WithTask(options);
        return Load(Create(config, options, create), source, options);
    }

    private protected static T Fresh<T>(ModelConfig config, long seed, LoadOptions? options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        ArgumentNullException.ThrowIfNull(config);
        options ??= new();
        config = config.Within(options.Limits).WithTask(options);
        var model = Create(config, options, create);
        WeightInitializer.Fill(model, seed);
        model.eval();
        return model;
    }

    // The sizes are a stranger's: what cannot be had is said before anything is made, and what torch cannot have nevertheless is not its own error.
    private static T Create<T>(ModelConfig config, LoadOptions options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        var spec = (options.Registry ?? new()).Describe(config);
        ModelSize.Require(config, spec, options);
        try
        {
            return create(config, spec, options);
        }
        catch (System.Runtime.InteropServices.ExternalException error)
        {
            throw new ModelFolderException($"{config.Source}: the tensors that it asks for could not be made. {ModelSize.Describe(spec, options)} {error.Message.Split('\n')[0]}", error);
        }
    }

    /// <summary>Refuses an architecture that a head is not made for.</summary>
    private protected static TransformerSpec Require(ModelConfig config, TransformerSpec spec, string head, params ReadOnlySpan<TransformerKind> kinds)
    {
        if (kinds.Contains(spec.Kind)) return spec;
        var (what, instead) = spec.Kind switch
        {
            TransformerKind.Decoder => ("a decoder", nameof(CausalLM)),
            TransformerKind.Encoder => ("an encoder", nameof(MaskedLM)),
            _ => ("an encoder with a decoder", nameof(Seq2SeqLM)),
        };
        throw new UnsupportedModelException($"{config.Source}: model_type '{config.ModelType}' is {what}, which {head} is not made for. Its language model is {instead}.");
    }

    private protected static T Load<T>(T model, ModelSource source, LoadOptions options) where T : PretrainedModel
    {
        try
        {
            model.NameOrPath = source.Name;
            model.InitializedParameters = WeightLoader.Load(model, source.Folder);
            if (model.InitializedParameters.Count > 0)
            {
                var fresh = model.InitializedParameters.ToHashSet(StringComparer.Ordinal);
                WeightInitializer.Fill(model, options.Seed, fresh.Contains);
                if (options.Logger is { } logger) LogInitialized(logger, string.Join(", ", fresh));
            }
            model.eval();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The checkpoint lacks {Names}: drawn at random, train before use.")]
    private static partial void LogInitialized(ILogger logger, string names);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing && basePath.Length == 0) Backbone.Dispose();   // not among the modules, but it holds tensors of its own
    }
}
