using Peft.Checkpoints;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>A case loaded from its files: the base model, its adapter and the expected tensors.</summary>
public sealed class AdaptedCase : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly IDisposable? tasks;
    private readonly Dictionary<string, Tensor> unsaved = [];

    /// <param name="id">The case.</param>
    /// <param name="trains">Whether training goes on with what Hugging Face PEFT trains but does not save, the encoder of a prompt.</param>
    public AdaptedCase(string id, bool trains = false) : this(Oracle.Case(id), LoadBase(Oracle.Case(id).Base), trains) { }

    /// <param name="info">The case.</param>
    /// <param name="model">Its base model.</param>
    /// <param name="trains">As above.</param>
    public AdaptedCase(OracleCase info, PretrainedModel model, bool trains = false)
    {
        Info = info;
        Expected = new Expected(info.Folder);
        Model = model;
        if (trains && Expected.Keys.Any(key => key.StartsWith("encoder.", StringComparison.Ordinal)))
        {
            Peft = Model.ApplyAdapter(AdapterConfig.Read(info.Adapter) with { InferenceMode = false });
            TakeEncoder();
        }
        else
        {
            Peft = Model.ApplyAdapter(info.Adapter, trainable: true);
            TakeUnsaved();
        }
        tasks = Expected.Has("task_ids") ? Peft.Tasks([.. Expected.Read("task_ids").data<long>().Select(id => (int)id)]) : null;
        TakeSigns();
    }

    // What Hugging Face PEFT does not save although nothing in the file stands for it, such as X-LoRA's classifier.
    private void TakeUnsaved()
    {
        using var _ = no_grad();
        using var saved = SafetensorsFile.Open(Path.Combine(Info.Adapter, AdapterCheckpoint.FileName));
        foreach (var (key, tensor) in Peft.Find(PeftModel.DefaultName).Tensors)
        {
            if (!tensor.IsSaved || !Expected.Has("encoder." + key) || saved.Tensors.ContainsKey(key)) continue;
            tensor.Value.copy_(Expected.Read("encoder." + key));
            unsaved.Add(key, Expected.Read("encoder." + key));
        }
    }

    private void TakeEncoder()
    {
        using var _ = no_grad();
        using var saved = SafetensorsFile.Open(Path.Combine(Info.Adapter, AdapterCheckpoint.FileName));
        foreach (var (key, tensor) in Peft.Find(PeftModel.DefaultName).Tensors)
            if (Expected.Has("encoder." + key)) tensor.Value.copy_(Expected.Read("encoder." + key));
            // CPT trains on from the base model's embeddings, and its file holds where they have moved.
            else if (tensor.IsSaved && saved.Tensors.ContainsKey(key) && Info.Method != "CPT") tensor.Value.copy_(saved.Read(key));
    }

    // Singular vectors that a method does not save come with the signs of whatever LAPACK found them; what is trained goes with the oracle's.
    private void TakeSigns()
    {
        using var _ = no_grad();
        foreach (var (key, tensor) in Peft.Find(PeftModel.DefaultName).Tensors.Where(pair => !pair.Tensor.IsSaved && Expected.Has("derived." + pair.Key) && pair.Tensor.Value.is_floating_point()))
        {
            tensor.Value.copy_(WithSignsOf(Expected.Read("derived." + key), tensor.Value));
            Expected.ShouldEqual("derived." + key, tensor.Value);
        }
    }

    /// <summary>What this library's file holds and Hugging Face PEFT's does not, by its keys.</summary>
    public IReadOnlyDictionary<string, Tensor> Unsaved => unsaved;

    public OracleCase Info { get; }

    public PretrainedModel Model { get; }

    public PeftModel Peft { get; }

    public Expected Expected { get; }

    public static PretrainedModel LoadBase(string name)
    {
        var folder = Oracle.Base(name);
        return name[(name.LastIndexOf('-') + 1)..] switch
        {
            "seqcls" => SequenceClassifier.FromPretrained(folder),
            "tokcls" => TokenClassifier.FromPretrained(folder),
            "qa" => QuestionAnswerer.FromPretrained(folder),
            "mlm" => MaskedLM.FromPretrained(folder),
            _ when new ModelRegistry().Describe(ModelConfig.FromFolder(folder)).Kind == TransformerKind.EncoderDecoder => Seq2SeqLM.FromPretrained(folder),
            _ => CausalLM.FromPretrained(folder),
        };
    }

    public static Batch Batch(Expected expected) => new()
    {
        InputIds = expected.Read("input_ids"),
        AttentionMask = expected.Has("attention_mask") ? expected.Read("attention_mask") : null,
        Labels = expected.Has("labels") ? expected.Read("labels") : null,
        Extra = expected.Keys.Where(key => key is "start_positions" or "end_positions").ToDictionary(key => key, expected.Read),
    };

    public Tensor Logits() => Logits(Model, Expected);

    public static Tensor Logits(PretrainedModel model, Expected expected)
    {
        using var _ = no_grad();
        var input = new ModelInput { InputIds = expected.Read("input_ids"), AttentionMask = expected.Read("attention_mask") };
        return model.forward(model is Seq2SeqLM writer ? input with { DecoderInputIds = writer.ShiftRight(expected.Read("labels")) } : input);
    }

    public Tensor Loss()
    {
        var loss = Model.Loss(Batch(Expected));
        return Peft.Penalty() is { } penalty ? loss.add(penalty) : loss;
    }

    /// <summary>Trains as the oracle did, on its one batch in evaluation mode; gives the loss before each step and after the last.</summary>
    public Tensor Train(int steps, AdamWOptions options, double learningRate, Action? transform = null, Action<int>? afterStep = null)
    {
        using var parameters = new FlatParameters(Peft.Trainables, options.Groups);
        using var optimizer = new FlatAdamW(parameters, learningRate, options);
        var losses = new List<float>();
        for (var step = 0; step <= steps; step++)
        {
            using var each = NewDisposeScope();
            var loss = Loss();
            losses.Add(loss.item<float>());
            if (step == steps) break;
            parameters.ZeroGradients();
            loss.backward();
            parameters.BindGradients();
            transform?.Invoke();
            optimizer.Step();
            afterStep?.Invoke(step + 1);
        }
        return tensor(losses.ToArray());
    }

    /// <summary>A tensor of the adapter by its key in the file.</summary>
    public Tensor? Find(string key) => key.StartsWith("encoder.", StringComparison.Ordinal) ? Own(key)?.Value : Peft.StateOf(Peft.Find(PeftModel.DefaultName)).GetValueOrDefault(key);

    /// <summary>Its gradient.</summary>
    public Tensor? Gradient(string key) => Own(key)?.Value.grad;

    private AdapterTensor? Own(string key)
    {
        var name = key.StartsWith("encoder.", StringComparison.Ordinal) ? key["encoder.".Length..] : key;
        return Peft.Find(PeftModel.DefaultName).Tensors.SingleOrDefault(each => each.Key == name).Tensor;
    }

    // A singular vector and its opposite are equally right: which one comes out depends on the build of LAPACK. Rows of A and columns of B
    // are turned to the expected side; that both turn together is what the residual shows.
    public static Tensor WithSignsOf(Tensor expected, Tensor actual)
    {
        var dimension = actual.shape[0] < actual.shape[1] ? 1 : 0;
        return actual * (expected * actual).sum(dim: dimension, keepdim: true).sign();
    }

    public void Dispose()
    {
        tasks?.Dispose();
        Peft.Dispose();
        Model.Dispose();
        Expected.Dispose();
        scope.Dispose();
    }
}
