using Microsoft.Extensions.Logging;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A pretrained transformer with a head. The names of its modules and parameters are Hugging Face's.</summary>
public abstract partial class PretrainedModel : nn.Module<Tensor, Tensor>, ILossModel, IPretrainedModel
{
    private protected PretrainedModel(ModelConfig config, DecoderSpec spec, Placement at) : base("")
    {
        Config = config;
        Spec = spec;
        Decoder = new Decoder(spec, at);
        Device = at.Device;
        nn.Module inner = Decoder;
        var path = spec.Names.Base.Split('.');
        for (var i = path.Length - 1; i > 0; i--)
        {
            var holder = new Holder();
            holder.register_module(path[i], inner);
            inner = holder;
        }
        register_module(path[0], inner);
    }

    private sealed class Holder() : nn.Module("");

    /// <summary>The configuration that the model was made from.</summary>
    public ModelConfig Config { get; private set; }

    /// <summary>The architecture.</summary>
    public DecoderSpec Spec { get; private set; }

    /// <inheritdoc/>
    public string ModelType => Config.ModelType;

    /// <inheritdoc/>
    public abstract string TaskType { get; }

    /// <inheritdoc/>
    public string? NameOrPath { get; private set; }

    /// <inheritdoc/>
    public int? ResizedFrom { get; private set; }

    nn.Module IPretrainedModel.InputEmbeddings => InputEmbeddings;

    nn.Module? IPretrainedModel.Head => HeadModule;

    internal abstract AdaptableModule HeadModule { get; }

    /// <summary>Parameters that the checkpoint lacked and that were drawn at random: they need training.</summary>
    public IReadOnlyList<string> InitializedParameters { get; private set; } = [];

    /// <summary>Parameters that are another one under a second name; they are not saved.</summary>
    public IReadOnlySet<string> TiedParameters { get; private protected set; } = new HashSet<string>();

    /// <summary>
    /// Whether layers keep their inputs alone in training and run again in the backward pass: memory for one layer's activations instead
    /// of all, for about a third more time. Has no effect where nothing takes gradients.
    /// </summary>
    public bool CheckpointActivations { get => Decoder.CheckpointActivations; set => Decoder.CheckpointActivations = value; }

    /// <summary>The token embedding, <c>[vocabulary, hidden]</c>.</summary>
    public Embedding InputEmbeddings => Decoder.Embedding;

    /// <summary>The folder's <c>generation_config.json</c>; null if there is none.</summary>
    internal ModelConfig? GenerationDefaults { get; private protected set; }

    internal Decoder Decoder { get; }

    internal Device Device { get; }

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

    /// <summary>The model's output for token ids <c>[batch, sequence]</c>.</summary>
    public sealed override Tensor forward(Tensor input) => forward(new ModelInput { InputIds = input });

    /// <summary>The model's output.</summary>
    public abstract Tensor forward(ModelInput input);

    /// <inheritdoc/>
    public Tensor Loss(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return Loss(ModelInput.From(batch), batch.Labels ?? throw new ArgumentException("The batch has no labels.", nameof(batch)));
    }

    /// <summary>The mean loss, a scalar with a gradient.</summary>
    /// <param name="input">The input.</param>
    /// <param name="labels">What to learn, as <see cref="Batch.Labels"/>.</param>
    public abstract Tensor Loss(ModelInput input, Tensor labels);

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
}
