using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>
/// Two layers of a transformer in float64, with stand-ins for attention (a projection, tanh, a projection) so that its formula fits on
/// a page: Llama's form, which norms before each sub-block, and BERT's, which norms after it.
/// </summary>
internal sealed class TinyTransformer : nn.Module<Tensor, Tensor>, IPretrainedModel, IFolder
{
    public const int Size = 8, Layers = 2, Vocabulary = 11;

    private readonly Dictionary<string, nn.Module<Tensor, Tensor>> byPath = [];
    private readonly bool normsAfter;

    public TinyTransformer(string type) : base(nameof(TinyTransformer))
    {
        ModelType = type;
        normsAfter = type == "bert";
        Add("embed", nn.Embedding(Vocabulary, Size));
        foreach (var layer in Enumerable.Range(0, Layers))
            foreach (var name in normsAfter ? Bert : Llama)
                Add($"layer.{layer}.{name}", name.EndsWith("norm", StringComparison.OrdinalIgnoreCase) ? nn.LayerNorm(Size) : nn.Linear(Size, Size));
        Add("head", nn.Linear(Size, Vocabulary, hasBias: false));
        this.to(ScalarType.Float64);
        foreach (var (_, parameter) in named_parameters())
        {
            using var _ = no_grad();
            parameter.normal_(0, 0.5);
        }
    }

    private static readonly string[] Llama = ["input_layernorm", "self_attn.q_proj", "self_attn.o_proj", "post_attention_layernorm", "mlp.up_proj", "mlp.down_proj"];
    private static readonly string[] Bert = ["attention.self.query", "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"];

    public string ModelType { get; }
    public string? TaskType => "CAUSAL_LM";
    public string? NameOrPath => null;
    public nn.Module InputEmbeddings => At("embed");
    public nn.Module? Head => At("head");

    public nn.Module<Tensor, Tensor> At(string path) => byPath[path];

    public override Tensor forward(Tensor ids)
    {
        var x = At("embed").call(ids);
        for (var layer = 0; layer < Layers; layer++)
        {
            x = SubBlock(layer, x, attention: true, Model);
            x = SubBlock(layer, x, attention: false, Model);
        }
        return At("head").call(x);
    }

    /// <summary>The same by formula: what <paramref name="position"/> makes of a sub-block's output h, the residual stream r and the norm behind it, if there is one.</summary>
    public Tensor ByFormula(Tensor ids, Func<int, bool, Tensor, Tensor, Func<Tensor, Tensor>?, Tensor> position, Func<Tensor, Tensor>? embedded = null, Func<Tensor, Tensor>? beforeHead = null)
    {
        var x = Weight("embed").index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], Size);
        x = embedded?.Invoke(x) ?? x;
        for (var layer = 0; layer < Layers; layer++)
        {
            foreach (var attention in new[] { true, false })
                x = SubBlock(layer, x, attention, Plain, (h, r, norm) => position(layer, attention, h, r, norm));
        }
        return nn.functional.linear(beforeHead?.Invoke(x) ?? x, Weight("head"));
    }

    private Tensor SubBlock(int layer, Tensor x, bool attention, Func<string, Tensor, Tensor> run, Func<Tensor, Tensor, Func<Tensor, Tensor>?, Tensor>? position = null)
    {
        position ??= (h, r, norm) => norm is null ? h + r : norm(h + r);
        string Path(string name) => $"layer.{layer}.{name}";
        var names = (normsAfter ? Bert : Llama)[attention ? ..3 : 3..].Select(Path).ToArray();
        if (normsAfter) return position(run(names[1], run(names[0], x).tanh()), x, y => run(names[2], y));
        return position(run(names[2], run(names[1], run(names[0], x)).tanh()), x, null);
    }

    private Tensor Model(string path, Tensor x) => At(path).call(x);

    private Tensor Plain(string path, Tensor x) => path.EndsWith("norm", StringComparison.OrdinalIgnoreCase)
        ? nn.functional.layer_norm(x, [Size], Weight(path), get_parameter(path + ".bias"))
        : nn.functional.linear(x, Weight(path), get_parameter(path + ".bias"));

    private Parameter Weight(string path) => get_parameter(path + ".weight")!;

    private void Add(string path, nn.Module module)
    {
        IFolder parent = this;
        var names = path.Split('.');
        foreach (var name in names[..^1])
        {
            var next = ((nn.Module)parent).named_children().FirstOrDefault(child => child.name == name).module;
            if (next is null) parent.Register(name, next = new Folder());
            parent = (IFolder)next;
        }
        parent.Register(names[^1], module);
        byPath.Add(path, (nn.Module<Tensor, Tensor>)module);
    }

    public void Register(string name, nn.Module module) => register_module(name, module);

    private sealed class Folder() : nn.Module(""), IFolder
    {
        public void Register(string name, nn.Module module) => register_module(name, module);
    }
}

internal interface IFolder { void Register(string name, nn.Module module); }
