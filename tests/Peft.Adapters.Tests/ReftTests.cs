using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>ReFT against the Adapters library's values, against its formula in float64, and at the positions of real models.</summary>
public sealed class ReftTests : IDisposable
{
    private const double Exact = 1e-9;      // the same operations in another order, in float64
    private const double Rounding = 1e-4;   // of float32, with logits of about 1

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();

    public void Dispose()
    {
        folder.Dispose();
        scope.Dispose();
    }

    private static string Data(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "Reft", name);

    [Theory]
    [InlineData("loreft")]
    [InlineData("noreft")]
    [InlineData("direft")]
    [InlineData("tied")]
    [InlineData("tanh")]
    public void Files_of_the_Adapters_library_give_its_outputs_and_gradients_and_are_written_back(string name)
    {
        using var from = SafetensorsFile.Open(Data("base.safetensors"));
        using var expected = SafetensorsFile.Open(Path.Combine(Data(name), "expected.safetensors"));
        using var model = new TinyTransformer("bert");
        model.eval();
        using (no_grad())
            foreach (var (path, parameter) in model.named_parameters()) parameter.copy_(from.Read(path));
        foreach (var file in Directory.GetFiles(Data(name))) File.Copy(file, folder[Path.GetFileName(file)]);
        var theirs = JsonNode.Parse(File.ReadAllText(folder[AdapterConfig.FileName]))!.AsObject();
        using var peft = new PeftModel(model);
        if (name is "noreft" or "direft")
        {
            // The library does not write which of the two it is.
            Should.Throw<AdapterOptionsException>(() => peft.LoadFromAdapterHub(folder)).Message.ShouldContain("subtract_projection");
            peft.Adapters.ShouldBeEmpty();
            theirs["config"]!["subtract_projection"] = name == "noreft";
            File.WriteAllText(folder[AdapterConfig.FileName], theirs.ToJsonString());
        }
        peft.LoadFromAdapterHub(folder);
        peft.Activate("news");
        var logits = model.call(from.Read("ids"));
        logits.Difference(expected.Read("logits")).ShouldBeLessThan(Exact);

        logits.mul(from.Read("target")).sum().backward();
        var checkedGradients = 0;
        foreach (var (key, tensor) in peft.Find("news").Tensors.Where(pair => pair.Tensor.IsTrainable))
        {
            // Where R is orthonormal, X counts from the loaded R on, so that its gradients are others.
            var there = key["base_model.model.".Length..].Replace("output.LayerNorm.units", "reft_layer.refts.news.units", StringComparison.Ordinal);
            if (there.EndsWith("projection.original", StringComparison.Ordinal)) continue;
            tensor.Value.grad!.Difference(expected.Read($"grad.{there}")).ShouldBeLessThan(Exact, there);
            checkedGradients++;
        }
        checkedGradients.ShouldBeGreaterThan(1);

        using var again = new TemporaryFolder();
        peft.SaveToAdapterHub(again, "news");
        using (SafetensorsFile before = SafetensorsFile.Open(folder["adapter.safetensors"]), after = SafetensorsFile.Open(again["adapter.safetensors"]))
        {
            after.Keys.Order().ShouldBe(before.Keys.Order());
            foreach (var key in before.Keys) after.Tensors[key].Shape.ShouldBe(before.Tensors[key].Shape, key);
            foreach (var key in after.Keys.Where(key => key.EndsWith(".base", StringComparison.Ordinal)))
            {
                var q = after.Read(key);
                q.mm(q.t()).Difference(eye(TinyTransformer.Size, dtype: q.dtype)).ShouldBeLessThan(Exact, key);
            }
        }
        var ours = JsonNode.Parse(File.ReadAllText(again[AdapterConfig.FileName]))!.AsObject();
        foreach (var (field, value) in theirs["config"]!.AsObject()) JsonNode.DeepEquals(ours["config"]![field], value).ShouldBeTrue(field);
        ours["config"]!.AsObject().Select(field => field.Key).Except(theirs["config"]!.AsObject().Select(field => field.Key)).ShouldBe(name is "noreft" or "direft" ? [] : ["subtract_projection"]);
        peft.LoadFromAdapterHub(again, "again");
        peft.Activate("again");
        model.call(from.Read("ids")).Difference(expected.Read("logits")).ShouldBeLessThan(Exact);
    }

    private static readonly Dictionary<string, ReftOptions> Kinds = new()
    {
        ["loreft"] = ReftOptions.LoReft with { Rank = 3 },
        ["noreft"] = ReftOptions.NoReft with { Rank = 2, SuffixPositions = 2 },
        ["direft"] = ReftOptions.DiReft with { Rank = 2, PrefixPositions = 0, SuffixPositions = 2 },
        ["tied"] = ReftOptions.LoReft with { Rank = 2, PrefixPositions = 2, SuffixPositions = 2, TiesWeights = true },
        ["non-linear"] = ReftOptions.LoReft with { Rank = 7, NonLinearity = "gelu", SuffixPositions = 1 },
        ["longer than the text"] = ReftOptions.NoReft with { PrefixPositions = 9, SuffixPositions = 2 },
        ["one layer"] = ReftOptions.LoReft with { Layers = [1] },
    };

    public static TheoryData<string, string> All
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var kind in Kinds.Keys)
                foreach (var type in new[] { "llama", "bert" }) all.Add(kind, type);
            return all;
        }
    }

    [Theory, MemberData(nameof(All))]
    public void Outputs_and_gradients_are_those_of_the_formula(string kind, string type)
    {
        manual_seed(3);
        var options = Kinds[kind] with { Dropout = 0 };
        using var model = new TinyTransformer(type);
        var ids = randint(TinyTransformer.Vocabulary, [3, 6]);
        var plain = model.call(ids);
        using var peft = model.ApplyAdapter(options, "news");
        peft.Shake();
        var actual = model.call(ids);
        actual.Difference(plain).ShouldBeGreaterThan(1e-3);
        actual.Difference(model.ByFormula(ids, ByFormula(peft, options, ids.shape[1]))).ShouldBeLessThan(Exact);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean());
        peft.Unreached.ShouldBeEmpty();

        actual = model.call(ids);   // the check of the gradients leaves rounding in the tensors
        peft.SaveAdapter(folder["own"], "news");
        peft.Unload();
        using var again = model.ApplyAdapter(folder["own"], trainable: true);
        model.call(ids).Difference(actual).ShouldBe(0);
    }

    /// <summary>Rᵀ·(σ(W·h + b) − R·h) at each position, with the tensors of the file that the Adapters library reads.</summary>
    private Func<int, bool, Tensor, Tensor, Func<Tensor, Tensor>?, Tensor> ByFormula(PeftModel peft, ReftOptions options, long length)
    {
        peft.SaveToAdapterHub(folder["hub"], "news");
        using var file = SafetensorsFile.Open(Path.Combine(folder["hub"], "adapter.safetensors"));
        var tensors = file.Keys.ToDictionary(key => key, key => file.Read(key));
        return (layer, attention, h, r, norm) =>
        {
            var hidden = norm is null ? h + r : norm(h + r);
            if (attention || options.Layers?.Contains(layer) == false) return hidden;
            return cat([.. Enumerable.Range(0, (int)length).Select(position => At(position, hidden.narrow(1, position, 1)))], 1);

            Tensor At(int position, Tensor state)
            {
                var isLast = position >= length - options.SuffixPositions;
                if (!isLast && position >= options.PrefixPositions) return state;
                var prefix = $"layer.{layer}.reft_layer.refts.news.units.{(isLast && !options.TiesWeights ? 1 : 0)}";
                var projection = options.IsOrthogonal ? Orthonormal(tensors[$"{prefix}.projection.parametrizations.weight.original"], tensors[$"{prefix}.projection.parametrizations.weight.0.base"]) : tensors[$"{prefix}.projection.weight"];
                var source = state.matmul(tensors[$"{prefix}.learned_source.weight"].t()) + tensors[$"{prefix}.learned_source.bias"];
                if (options.NonLinearity is not null) source = nn.functional.gelu(source);
                if (options.SubtractsProjection) source = source - state.matmul(projection.t());
                return state + source.matmul(projection);
            }
        };
    }

    /// <summary>torch's householder parametrization, as a product of matrices I − 2·v·vᵀ/‖v‖².</summary>
    private static Tensor Orthonormal(Tensor original, Tensor start)
    {
        var (rank, width) = (original.shape[0], original.shape[1]);
        var product = eye(width, dtype: ScalarType.Float64);
        for (var i = 0L; i < rank; i++)
        {
            var v = zeros(width, dtype: ScalarType.Float64);
            v[i] = 1;
            for (var j = i + 1; j < width; j++) v[j] = original[i, j];
            product = product.mm(eye(width, dtype: ScalarType.Float64) - 2 * outer(v, v) / v.square().sum());
        }
        var rows = start.mm(-product.narrow(1, 0, rank)).t();
        rows.mm(rows.t()).Difference(eye(rank, dtype: ScalarType.Float64)).ShouldBeLessThan(Exact);
        return rows;
    }

    [Fact]
    public void In_training_dropout_acts_on_the_changed_hidden_states()
    {
        using var model = nn.Sequential(nn.Linear(8, 8));
        var x = randn(4, 5, 8);
        var plain = model.call(x);
        using var peft = model.ApplyAdapter(ReftOptions.NoReft with { PrefixPositions = 2, Dropout = 0.5, TargetModules = ["0"] });
        peft.Shake();
        model.eval();
        var changed = model.call(x);
        model.train();
        var dropped = model.call(x);
        dropped.narrow(1, 2, 3).Difference(plain.narrow(1, 2, 3)).ShouldBe(0);
        var (first, whole) = (dropped.narrow(1, 0, 2), changed.narrow(1, 0, 2) * 2);
        var isZero = first.abs().lt(1e-6);
        isZero.sum().item<long>().ShouldBeInRange(20, 60);   // of 64 at a probability of a half
        first.where(isZero.logical_not(), whole).Difference(whole).ShouldBeLessThan(1e-5);
    }

    private static readonly ModelConfig Llama = ModelConfig.Parse("""
        { "model_type": "llama", "vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": null, "bos_token_id": null, "initializer_range": 0.2 }
        """);

    private static (CausalLM Model, PeftModel Peft) Adapted(ReftOptions options)
    {
        var model = CausalLM.FromConfig(Llama, seed: 3);
        model.eval();
        var peft = model.ApplyAdapter(options);
        return (model, peft.Shake(seed: 5));
    }

    private static readonly ReftOptions BothEnds = ReftOptions.LoReft with { Rank = 2, PrefixPositions = 2, SuffixPositions = 2 };

    [Fact]
    public void A_row_computes_the_same_alone_padded_on_either_side_and_packed()
    {
        var (model, peft) = Adapted(BothEnds);
        using var ownsModel = model;
        using var ownsPeft = peft;
        using var _ = no_grad();
        manual_seed(1);
        var rows = new[] { 1, 3, 7 }.Select(length => randint(1, 40, [1, length])).ToArray();
        var alone = rows.Select(row => model.forward(new ModelInput { InputIds = row })).ToArray();
        foreach (var left in new[] { true, false })
        {
            Tensor Pad(Tensor row, long value) => cat(left ? [full(1, 7 - row.shape[1], value, dtype: ScalarType.Int64), row] : [row, full(1, 7 - row.shape[1], value, dtype: ScalarType.Int64)], 1);
            var all = model.forward(new ModelInput { InputIds = cat([.. rows.Select(row => Pad(row, 0))]), AttentionMask = cat([.. rows.Select(row => Pad(ones_like(row), 0))]) });
            for (var i = 0; i < rows.Length; i++)
                all.narrow(0, i, 1).narrow(1, left ? 7 - rows[i].shape[1] : 0, rows[i].shape[1]).Difference(alone[i]).ShouldBeLessThan(Rounding, $"row {i}, padded on the {(left ? "left" : "right")}");
        }
        var packed = model.forward(new ModelInput { InputIds = cat(rows, 1), PackedLengths = [1, 3, 7] });
        packed.Difference(cat(alone, 1)).ShouldBeLessThan(Rounding);
    }

    [Fact]
    public void With_a_cache_the_first_positions_count_from_the_beginning_and_the_last_are_those_of_the_prompt()
    {
        var (model, peft) = Adapted(BothEnds with { SuffixPositions = 0 });
        using var ownsModel = model;
        using var ownsPeft = peft;
        using var _ = no_grad();
        manual_seed(1);
        var ids = randint(1, 40, [2, 6]);
        var whole = model.forward(new ModelInput { InputIds = ids });
        foreach (var prompt in new[] { 1, 2, 5 })
        {
            using var cache = new KeyValueCache();
            var parts = new List<Tensor> { model.forward(new ModelInput { InputIds = ids.narrow(1, 0, prompt), Cache = cache }) };
            for (var i = prompt; i < 6; i++) parts.Add(model.forward(new ModelInput { InputIds = ids.narrow(1, i, 1), Cache = cache }));
            cat(parts, 1).Difference(whole).ShouldBeLessThan(Rounding, $"a prompt of {prompt}");
        }

        var (other, suffixed) = Adapted(BothEnds);
        using var ownsOther = other;
        using var ownsSuffixed = suffixed;
        using var held = new KeyValueCache();
        other.forward(new ModelInput { InputIds = ids.narrow(1, 0, 4), Cache = held });
        var next = other.forward(new ModelInput { InputIds = ids.narrow(1, 4, 1), Cache = held });
        // The generated position itself stays as the base model's layers make it, from keys and values of the changed prompt.
        using var unchanged = new KeyValueCache();
        other.forward(new ModelInput { InputIds = ids.narrow(1, 0, 4), Cache = unchanged });
        using (suffixed.WithoutAdapters()) other.forward(new ModelInput { InputIds = ids.narrow(1, 4, 1), Cache = unchanged }).Difference(next).ShouldBe(0);
        Should.Throw<PeftException>(() => other.forward(new ModelInput { InputIds = ids.narrow(1, 4, 2), Cache = held })).Message.ShouldContain("SuffixPositions");
    }

    [Fact]
    public void Virtual_tokens_are_not_counted()
    {
        using var model = CausalLM.FromConfig(Llama, seed: 3);
        model.eval();
        using var _ = no_grad();
        manual_seed(1);
        var ids = randint(1, 40, [2, 5]);
        using var peft = model.ApplyAdapter(new PromptTuningOptions { VirtualTokens = 3 }, "prompt");
        peft.Add("reft", ReftOptions.DiReft with { PrefixPositions = 1, Layers = [1] });
        peft.Activate("prompt");
        peft.Activate("prompt", "reft");
        peft.Shake(seed: 5);
        var after = model.forward(new ModelInput { InputIds = ids });
        // After the last layer a change stays at its position: the one behind the three virtual tokens.
        peft.Activate("prompt");
        var before = model.forward(new ModelInput { InputIds = ids });
        var changed = (after - before).abs().amax([0, 2]).gt(1e-5);
        Enumerable.Range(0, (int)changed.numel()).Where(i => changed[i].item<bool>()).ToArray().ShouldBe([(int)changed.numel() - 5]);
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        using var model = new TinyTransformer("llama");
        Should.Throw<AdapterOptionsException>(() => model.ApplyLoReft(rank: TinyTransformer.Size)).Message.ShouldContain("below the width");
        Should.Throw<AdapterOptionsException>(() => model.ApplyLoReft(prefixPositions: 0)).Message.ShouldContain("no position");
        Should.Throw<TargetNotFoundException>(() => model.ApplyNoReft(layers: [0, 7])).Message.ShouldContain("[7]");
        Should.Throw<AdapterOptionsException>(() => model.ApplyDiReft(layers: [-1])).Message.ShouldContain("-1");
        Should.Throw<AdapterOptionsException>(() => AdapterConfig.Parse("""{"peft_type": "REFT", "output_reft": false}""").Validate()).Message.ShouldContain("output_reft");
        Should.Throw<CheckpointException>(() => AdapterConfig.Parse("""{"peft_type": "REFT", "layers": "some"}""")).Message.ShouldContain("some");
        using var peft = model.ApplyLoReft(targets: ["q_proj"]);
        Should.Throw<AdapterOptionsException>(() => peft.SaveToAdapterHub(folder)).Message.ShouldContain("q_proj");
        Should.Throw<NotMergeableException>(() => peft.Merge());
    }
}
