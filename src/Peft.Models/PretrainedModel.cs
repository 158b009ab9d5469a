using Microsoft.Extensions.Logging;
using Peft.Hub;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A pretrained transformer with a head. Modules and parameters have the names that Hugging Face gives them.</summary>
public abstract partial class PretrainedModel : nn.Module<Tensor, Tensor>, IOutputModel, IPromptedModel, IReordersLayers, ILayeredModel
{
    private readonly string basePath;

    private protected PretrainedModel(ModelConfig config, TransformerSpec spec, Placement at, bool bare = false, string? path = null) : base("")
    {
        SpecRules.Check(config, spec, at);
        Config = config;
        Spec = spec;
        Device = at.Device;
        Backbone = Backbone.Create(spec, at);
        basePath = bare ? "" : path ?? (spec.Kind == TransformerKind.EncoderDecoder ? spec.StackPath : spec.Names.Base);
        Backbone.PlaceInto(this, basePath);
    }

    // The modules are registered under the names of the architecture's description, not under the field names.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <summary>The configuration that the model was created from.</summary>
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

    /// <summary>Virtual tokens of the active adapters; null if there are none.</summary>
    internal PromptStack? Prompts => PeftModel.Of(this)?.Prompts;

    nn.Module IPretrainedModel.InputEmbeddings => InputEmbeddings;

    nn.Module? IPretrainedModel.Head => HeadModule;

    IReadOnlyList<string> IPretrainedModel.EmbeddingCopies => Spec.Encoder is not { } encoder ? []
        : [.. new[] { encoder, Spec }.Select(stack => $"{BasePrefix}{stack.Names.Base}.{Spec.Names.EmbeddingCopy}")];

    int IReordersLayers.LayerCount => Spec.LayerCount;

    IDisposable IReordersLayers.Reorder(IReadOnlyList<int> order, Func<bool> isActive) => Backbone.Reorder(order, isActive);

    IReadOnlyList<nn.Module> ILayeredModel.Layers => Backbone.Layers;

    IDisposable ILayeredModel.RunOnly(int layer, Tensor? input, Action<Tensor> output) => Backbone.RunOnly(layer, input, output);

    IReadOnlyList<ScaleFold> ILayeredModel.FoldsOf(int layer) => Backbone.Layers[layer].ScaleFolds(Spec);

    internal abstract AdaptableModule? HeadModule { get; }

    /// <summary>Parameters that the checkpoint lacked and that were initialized at random. They need training.</summary>
    public IReadOnlyList<string> InitializedParameters { get; private set; } = [];

    /// <summary>Parameters that share the storage of another parameter. They are not saved.</summary>
    public IReadOnlySet<string> TiedParameters { get; private protected set; } = new HashSet<string>();

    /// <summary>
    /// True for gradient checkpointing: layers keep only their inputs during training and run again in the backward pass. Only the activations of one layer
    /// are in memory at a time, at the cost of about an eighth more time (gpt2 and smollm135m on a CPU with AVX-512) where layers are single nodes of the graph, otherwise about a third. No effect if nothing requires gradients.
    /// </summary>
    public bool CheckpointActivations { get => Backbone.CheckpointActivations; set => Backbone.CheckpointActivations = value; }

    /// <summary>The token embedding, <c>[vocabulary, hidden]</c>.</summary>
    public Embedding InputEmbeddings => Backbone.Embedding;

    internal Backbone Backbone { get; }

    internal Device Device { get; }

    /// <summary>The embeddings of token ids, as <see cref="ModelInput.Embeddings"/> expects them.</summary>
    internal Tensor EmbedTokens(Tensor ids)
    {
        var looked = Transformer.LookUp(InputEmbeddings, ids);
        if (!Spec.ScalesAtLookup) return looked;
        using (looked) return looked.mul(Constant(Spec.EmbeddingScale));
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The model is not a decoder.</exception>
    public IReadOnlyList<KeyValuePrefix> KeysAndValues(Tensor inputIds)
    {
        RequireAlive();
        if (TensorRules.RequireIds(inputIds, nameof(inputIds))[0] != 1) throw new ArgumentException($"inputIds are {TensorRules.Describe(inputIds)}, but must be the ids of one sequence, [1, sequence].", nameof(inputIds));
        if (Spec.Kind != TransformerKind.Decoder) throw new NotSupportedException($"A {Config.ModelType} is not a decoder: only decoders have a KV cache to read keys and values from.");
        using var plain = PeftModel.Of(this)?.WithoutAdapters();
        using var pass = PeftModel.Of(this)?.Pass();
        using var modes = new ModuleModes(this);
        using var _ = no_grad();
        using var cache = new KeyValueCache((int)inputIds.size(1));
        eval();
        using var hidden = Backbone.call(new ModelInput { InputIds = inputIds, Cache = cache });
        return [.. Enumerable.Range(0, Spec.LayerCount).Select(layer => Spec.RotaryAt(layer) is { IsInterleaved: true } rotary ? Together(cache.Held(layer), rotary.Rotated(Spec.HeadSize)) : cache.Held(layer))];

        // As the model without a cache has them.
        static KeyValuePrefix Together(KeyValuePrefix held, int rotated)
        {
            using var keys = held.Keys;
            return held with { Keys = InterleavedPairs.Together(keys, rotated) };
        }
    }

    /// <summary>Records the new size of the vocabulary.</summary>
    internal void SetVocabulary(int size)
    {
        var original = ResizedFrom ?? Spec.VocabularySize;
        ResizedFrom = original == size ? null : original;
        Config = Config.With("vocab_size", size);
        Spec = Spec with { VocabularySize = size };
    }

    /// <summary>True if a checkpoint may lack the parameter.</summary>
    internal virtual bool MayInitialize(string name) => false;

    /// <summary>True if a parameter that has another shape in the checkpoint is initialized again: the head for another set of labels.</summary>
    internal virtual bool MayReplace(string name) => false;

    /// <summary>The key of a parameter in checkpoints of this model.</summary>
    internal virtual string KeyOf(string name) => name;

    /// <summary>The prefix of the base model's keys in a checkpoint with these keys, such as <c>bert.</c>; empty if there is none.</summary>
    internal string KeyPrefix(IReadOnlyCollection<string> keys)
    {
        // Some task heads register the base model under a different name than the language model does.
        if (BasePrefix.Length == 0 && Spec.Kind == TransformerKind.EncoderDecoder) return "";
        string[] known = [BasePrefix, .. Spec.Kind == TransformerKind.EncoderDecoder ? [] : new[] { Spec.Names.Base, Spec.AnsweringBase }.OfType<string>().Select(path => path + ".")];
        return Array.Find(known, prefix => prefix.Length > 0 && keys.Any(key => key.StartsWith(prefix, StringComparison.Ordinal))) ?? "";
    }

    /// <summary>The prefix of the base model's parameters in this model.</summary>
    internal string BasePrefix => basePath.Length == 0 ? "" : basePath + ".";

    /// <summary>The model's output for token ids <c>[batch, sequence]</c>.</summary>
    /// <exception cref="ArgumentException">The ids do not fit the model.</exception>
    public sealed override Tensor forward(Tensor input)
    {
        // A forward pre-hook of the model may have replaced the ids that the caller passed.
        if (called.Value is not var (model, first, whole) || model != this) return forward(new ModelInput { InputIds = input });
        called.Value = null;
        return forward(ReferenceEquals(input, first) ? whole : whole.InputIds is null ? whole with { Embeddings = input } : whole with { InputIds = input });
    }

    /// <summary>The model's output.</summary>
    /// <exception cref="ArgumentException">The input does not fit the model.</exception>
    /// <exception cref="ObjectDisposedException">The model or a tensor was disposed.</exception>
    public abstract Tensor forward(ModelInput input);

    /// <summary>
    /// Runs <see cref="forward(ModelInput)"/> and the hooks registered on the model. Hooks receive the token ids, or the embeddings if
    /// there are none.
    /// </summary>
    /// <exception cref="ArgumentException">The input does not fit the model.</exception>
    /// <exception cref="ObjectDisposedException">The model or a tensor was disposed.</exception>
    public Tensor call(ModelInput input)
    {
        InputRules.Check(this, input);
        if ((input.InputIds ?? input.Embeddings) is not { } first) return forward(input);   // only the decoder runs
        called.Value = (this, first, input);
        try
        {
            return call(first);
        }
        finally
        {
            called.Value = null;
        }
    }

    private static readonly ThreadLocal<(PretrainedModel Model, Tensor First, ModelInput Input)?> called = new();

    /// <inheritdoc/>
    public Tensor Loss(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        RequireAlive();
        using var own = batch.Labels is null ? LabelsOf(batch) : null;
        using var tasks = TasksOf(batch);
        return Loss(InputOf(batch), LabelsOf(batch, own));
    }

    /// <inheritdoc/>
    public (Tensor Loss, Tensor Output) LossAndOutput(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        RequireAlive();
        using var own = batch.Labels is null ? LabelsOf(batch) : null;
        using var tasks = TasksOf(batch);
        return LossAndOutput(InputOf(batch), LabelsOf(batch, own));
    }

    /// <summary>The loss, and the output without the virtual tokens.</summary>
    private protected virtual (Tensor Loss, Tensor Output) LossAndOutput(ModelInput input, Tensor labels) => (Loss(input, labels), forward(input));

    /// <summary>Selects the tasks of a batch (<c>task_ids</c>) until the result is disposed; null if it has none.</summary>
    internal IDisposable? TasksOf(Batch batch) => batch.Extra.TryGetValue("task_ids", out var ids) ? PeftModel.Of(this)?.Tasks(TaskIds(ids)) : null;

    private static Tensor LabelsOf(Batch batch, Tensor? own) => batch.Labels ?? own ?? throw new ArgumentException("The batch has no labels.", nameof(batch));

    // A tokenizer's template sets token types for pairs even if the model has none.
    private ModelInput InputOf(Batch batch)
    {
        var input = ModelInput.From(batch);
        return Spec.TokenTypeCount == 0 ? input with { TokenTypeIds = null } : input;
    }

    private static int[] TaskIds(Tensor ids)
    {
        TensorRules.RequireWhole(TensorRules.RequireAlive(ids, "task_ids"), "task_ids");
        using var scope = NewDisposeScope();
        var all = ids.to_type(ScalarType.Int64).reshape(-1).cpu().data<long>().ToArray();
        return Array.Find(all, id => id is < 0 or > int.MaxValue) is not 0 and var wrong ? throw new ArgumentException($"task_ids has {wrong}, but task ids are integers from 0.") : [.. all.Select(id => (int)id)];
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Each micro-batch consists of complete rows, or complete packed sequences, with about the same number of tokens. The batch is not divided if the
    /// active adapters depend on the whole batch, prepend labels, or select a task per row, nor if the rotary frequencies depend on the longest
    /// sequence.
    /// </remarks>
    public IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return FirstLabel is { } first && RowsDependOnThemselves && !batch.Extra.ContainsKey("task_ids")
            ? BatchDivision.Of(batch, parts, first)
            : [batch];
    }

    /// <summary>True if the outputs of a row depend only on that row: no active adapter depends on the whole batch, and rotary frequencies do not depend on the longest sequence.</summary>
    internal bool RowsDependOnThemselves => Spec.Rotary?.Scaling?.DependsOnLength != true && PeftModel.Of(this)?.RowsAreIndependent != false;

    /// <summary>True if the rows of a batch may be packed into one: their outputs depend neither on other rows nor on positions within the batch.</summary>
    internal bool RowsMayBePacked => RowsDependOnThemselves && Spec is { RelativePositions: null, Disentangled: null, Alibi: null } && PeftModel.Of(this)?.RowsMayBePacked != false;

    /// <summary>The first position whose label counts towards the mean loss; null if the loss is not a mean over labels.</summary>
    private protected virtual int? FirstLabel => 0;

    /// <summary>Labels that the batch has in other fields, as a new tensor; null if there are none.</summary>
    private protected virtual Tensor? LabelsOf(Batch batch) => null;

    /// <summary>The mean loss, a scalar that requires grad.</summary>
    /// <param name="input">The input.</param>
    /// <param name="labels">The labels, as in <see cref="Batch.Labels"/>.</param>
    public abstract Tensor Loss(ModelInput input, Tensor labels);

    private protected static T Open<T>(string nameOrPath, LoadOptions? options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        options ??= new();
        return Open(ModelSource.Resolve(nameOrPath, options), options, create);
    }

    private protected static T Open<T>(ModelSource source, LoadOptions options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        var config = ModelConfig.FromFolder(source.Folder, options.Limits).WithTask(options);
        options = options with { StoredBits = QuantizedLoading.StoredBits(config, options) };
        return Load(Create(config, options, create), source, options);
    }

    private protected static T OpenGguf<T>(string path, LoadOptions options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        var model = Gguf.GgufLoading.Open(path, options, (config, choices) => Create(config, choices, create));
        model.NameOrPath = path;
        return model;
    }

    private protected static T Fresh<T>(ModelConfig config, long seed, LoadOptions? options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : PretrainedModel
    {
        ArgumentNullException.ThrowIfNull(config);
        options ??= new();
        config = config.Within(options.Limits).WithTask(options);
        var model = Create(config, options, create);
        WeightInitializer.Fill(model, seed);
        if (options.Quantization is { } quantization) model.Quantize(quantization);
        model.eval();
        return model;
    }

    // The sizes come from an untrusted file. They are checked before anything is allocated, and an error of torch is wrapped with the cause.
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
            throw new ModelFolderException($"{config.Source}: the tensors that it describes could not be allocated. {ModelSize.Describe(spec, options)} {error.Message.Split('\n')[0]}", error);
        }
    }

    /// <summary>Throws if the head does not support the architecture.</summary>
    private protected static TransformerSpec Require(ModelConfig config, TransformerSpec spec, string head, params ReadOnlySpan<TransformerKind> kinds)
    {
        if (kinds.Contains(spec.Kind)) return spec;
        var (what, instead) = spec.Kind switch
        {
            TransformerKind.Decoder => ("a decoder", nameof(CausalLM)),
            TransformerKind.Encoder => ("an encoder", nameof(MaskedLM)),
            _ => ("an encoder-decoder model", nameof(Seq2SeqLM)),
        };
        throw new UnsupportedModelException($"{config.Source}: model_type '{config.ModelType}' is {what}, which {head} does not support. Its language model class is {instead}.");
    }

    private protected static T Load<T>(T model, ModelSource source, LoadOptions options) where T : PretrainedModel
    {
        try
        {
            model.NameOrPath = source.Name;
            model.InitializedParameters = WeightLoader.Load(model, source.Folder, options);
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The checkpoint lacks {Names}: initialized at random. Train the model before use.")]
    private static partial void LogInitialized(ILogger logger, string names);

    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    internal void RequireAlive() => ObjectDisposedException.ThrowIf(disposed, this);

    private bool disposed;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        disposed |= disposing;
        base.Dispose(disposing);
        if (disposing && basePath.Length == 0) Backbone.Dispose();   // not a registered module then, but it owns tensors
    }
}
