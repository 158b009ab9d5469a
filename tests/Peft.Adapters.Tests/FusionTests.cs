using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>AdapterFusion against its formula in float64.</summary>
public sealed class FusionTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor ids;

    public FusionTests()
    {
        manual_seed(6);
        ids = randint(TinyTransformer.Vocabulary, [2, 5]);
    }

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Kinds => ["dynamic", "static", "query before the norm", "values after", "residual before"];

    private static FusionOptions Options(string kind) => (kind switch
    {
        "static" => FusionOptions.Static,
        "query before the norm" => new FusionOptions { QueryBeforeNorm = true },
        "values after" => new FusionOptions { ValueBeforeSoftmax = false, ValueIsIdentity = false },
        "residual before" => new FusionOptions { ResidualBefore = true },
        _ => new FusionOptions(),
    }) with
    { Adapters = ["a", "b"] };

    [Theory, MemberData(nameof(Kinds))]
    public void Outputs_and_gradients_are_those_of_the_formula(string kind)
    {
        using var model = new TinyTransformer("bert");
        using var peft = TwoAdapters(model);
        var options = Options(kind);
        peft.AddFusion("both", options);
        peft.Active.ShouldBe(["both"]);
        peft.Shake();
        model.call(ids).Difference(model.ByFormula(ids, ByFormula(peft, options))).ShouldBeLessThan(1e-9);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean() + (peft.Penalty() ?? zeros(1, ScalarType.Float64).sum()));
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.isfinite().all().item<bool>());
    }

    [Fact]
    public void Only_the_fusion_is_trained_and_its_values_are_pulled_to_the_identity()
    {
        using var model = new TinyTransformer("bert");
        using var peft = TwoAdapters(model);
        peft.AddFusion("both", "a", "b");
        model.call(ids).square().mean().backward();
        foreach (var name in new[] { "a", "b" }) peft.Find(name).Tensors.ShouldAllBe(pair => !pair.Tensor.Value.requires_grad);
        peft.Trainables.Select(tensor => tensor.Name.Split('.')[^2]).Distinct().ShouldBe(["query", "key", "value"], ignoreOrder: true);
        peft.Penalty()!.item<double>().ShouldBeLessThan(1e-10);   // it starts there
        peft.Shake();
        var expected = peft.Trainables.Where(tensor => tensor.Name.EndsWith("value.weight", StringComparison.Ordinal))
            .Sum(tensor => 0.01 * (tensor.Value - eye(TinyTransformer.Size, dtype: ScalarType.Float64)).square().sum().item<double>());
        peft.Penalty()!.item<double>().ShouldBe(expected, 1e-10);
    }

    [Fact]
    public void It_is_saved_and_loaded_beside_its_adapters_and_says_so_where_they_are_missing()
    {
        using var folder = new TemporaryFolder();
        using var model = new TinyTransformer("bert");
        using var peft = TwoAdapters(model);
        peft.AddFusion("both", "a", "b");
        peft.Shake();
        var before = model.call(ids);
        peft.SaveAdapter(folder);
        peft.Delete("both");
        peft.LoadAdapter(folder["both"], "again");
        peft.Activate("again");
        model.call(ids).Difference(before).ShouldBe(0);

        Should.Throw<PeftException>(() => peft.Delete("b")).Message.ShouldContain("'again' (ADAPTER_FUSION) uses 'b'");
        Should.Throw<PeftException>(() => peft.HotSwap("b", folder["both"])).Message.ShouldContain("Delete('again')");
        model.call(ids).Difference(before).ShouldBe(0);
        peft.Delete("again");
        peft.Delete("b");
        Should.Throw<AdapterNotFoundException>(() => peft.AddFusion("other", "a", "b")).Message.ShouldContain("'b'");
    }

    private static PeftModel TwoAdapters(TinyTransformer model)
    {
        var peft = model.ApplyAdapter(BottleneckOptions.Pfeiffer with { ReductionFactor = 2 }, "a");
        peft.Add("b", BottleneckOptions.Pfeiffer with { ReductionFactor = 4 });
        peft.Activate("a", "b");
        peft.Shake(1);
        return peft;
    }

    private Func<int, bool, Tensor, Tensor, Func<Tensor, Tensor>?, Tensor> ByFormula(PeftModel peft, FusionOptions options) => (layer, attention, h, r, norm) =>
    {
        if (attention) return norm!(h + r);
        var x = norm!(h + r);
        string Key(string name) => $"base_model.model.layer.{layer}.output.dense.{name}";
        var outputs = new[] { "a", "b" }.Select(name =>
        {
            var state = peft.StateOf(peft.Find(name));
            var down = nn.functional.linear(x, state[Key("adapter_down.0.weight")], state[Key("adapter_down.0.bias")]).relu();
            return nn.functional.linear(down, state[Key("adapter_up.weight")], state[Key("adapter_up.bias")]) + (options.ResidualBefore ? h : 0);
        }).ToList();
        var own = peft.StateOf(peft.Find("both"));
        Tensor Map(Tensor value, string name) => nn.functional.linear(value, own[Key($"{name}.weight")], own[Key($"{name}.bias")]);
        var q = Map(options.QueryBeforeNorm ? h : x, "query");
        var scores = stack(outputs.Select(z => (q * Map(z, "key")).sum(dim: -1)), -1);
        var p = scores.softmax(-1);
        var mixed = outputs.Select((z, i) => p.select(-1, i).unsqueeze(-1) * z).Aggregate((a, b) => a + b);
        if (options.Value) mixed = nn.functional.linear(mixed, own[Key("value.weight")]);   // linear: before the mixture or after it
        return norm(mixed + (options.ResidualBefore ? zeros_like(h) : h) + r);
    };
}
