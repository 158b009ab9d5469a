using Peft.Lora;
using Peft.Models;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>Decode steps of quantized models run by the layers' kernels, and give what passes without a cache give.</summary>
public class DecodeStepTests
{
    // Sizes that suit every kind.
    private const string Llama = """
        {"model_type":"llama","hidden_size":256,"num_hidden_layers":2,"num_attention_heads":8,"num_key_value_heads":4,"intermediate_size":512,"vocab_size":97,"max_position_embeddings":1024,
         "rms_norm_eps":1e-5,"rope_theta":10000.0,"hidden_act":"silu","tie_word_embeddings":true}
        """;

    private static readonly int[][] Prompts = [[5, 1, 3, 2], [7, 4, 11, 6], [9, 8, 2, 10]];
    private static readonly int[][] Added = [[1, 2, 3], [4, 5, 6], [20, 9, 8]];

    public static TheoryData<string> Kinds => [.. Matrices.All.Where(kind => !IsRounded(kind))];

    public static TheoryData<string> RoundedKinds => [.. Matrices.All.Where(IsRounded)];

    // Values that are rounded to 16 bits have no kernel for decode steps. LLM.int8 rounds what it quantizes, not the values.
    private static bool IsRounded(string kind) => kind.EndsWith("float16", StringComparison.Ordinal) && !kind.StartsWith("int8", StringComparison.Ordinal);

    [Theory, MemberData(nameof(Kinds))]
    public void Steps_with_and_without_adapters(string kind)
    {
        using var model = Make(kind);
        RequireEqual(model, areFused: true);
        using var peft = Adapt(model);
        RequireEqual(model, areFused: true);
        using (peft.Rows(["two", PeftModel.Base, "one"])) RequireEqual(model, areFused: true, batches: [3]);
        if (model.QuantizedWeights().Values.All(weight => weight.WhyFixed is null)) peft.Merge();
        else peft.MergeAndUnload(dequantize: true);
        RequireEqual(model, areFused: true);
    }

    [Theory, MemberData(nameof(RoundedKinds))]
    public void Values_rounded_to_16_bits_take_the_modules_one_by_one(string kind)
    {
        using var model = Make(kind);
        RequireEqual(model, areFused: false);
        using var peft = Adapt(model);
        RequireEqual(model, areFused: false);
    }

    [Fact]
    public void Inputs_rounded_to_8_bits_take_the_modules_one_by_one()
    {
        using var model = Make("int8").QuantizeInputs(threshold: null);
        RequireEqual(model, areFused: true);
        model.QuantizeInputs();
        using var scope = NewDisposeScope();
        Fused(model, 3, (_, _) => { }).ShouldBe(0);
    }

    private static CausalLM Make(string kind)
    {
        var model = CausalLM.FromConfig(ModelConfig.Parse(Llama), seed: 3);
        var seed = 0;
        foreach (var (_, module) in ModelQuantization.Choose(model, []))
            module.Store(new QuantizedStorage(Matrices.Of(kind, module.Storage.Shape[0], module.Storage.Shape[1], ++seed)));
        model.eval();
        return model;
    }

    private static PeftModel Adapt(CausalLM model)
    {
        var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, TargetModules = ModuleSelector.AllLinear }, "one").Shake(0.02, seed: 5);
        peft.Add("two", new LoraOptions { Rank = 3, TargetModules = ModuleSelector.AllLinear });
        peft.Activate("two");
        peft.Shake(0.02, seed: 6);
        peft.Activate("one");
        return peft;
    }

    // Steps in inference mode against passes without a cache by panels, which dequantize with other code.
    private static void RequireEqual(CausalLM model, bool areFused, params int[] batches)
    {
        foreach (var batch in batches.Length > 0 ? batches : [1, 3])
        {
            using var scope = NewDisposeScope();
            using var gradients = no_grad();
            Fused(model, batch, (step, actual) =>
            {
                using var normal = inference_mode(false);
                using var panels = no_grad();
                actual.RelativeDifference(model.forward(new ModelInput { InputIds = Ids(batch, step + 1) }).narrow(1, -1, 1)).ShouldBeLessThan(2e-5);
            }).ShouldBe(areFused ? 2 * Added[0].Length : 0);
        }
    }

    // The number of layers' steps that ran by kernels.
    private static int Fused(CausalLM model, int batch, Action<int, Tensor> check)
    {
        var fused = 0;
        var hooks = model.Backbone.Layers.Select(each => each.register_forward_hook((_, input, context, output) =>
        {
            if (context.Length != 1 || context.Cache is null) return output.alias();
            using var again = each.Step(input, context);   // writes the same keys and values again
            if (again is not null)
            {
                fused++;
                again.Equals(output).ShouldBeTrue("the same kernels give the same bits");
            }
            return output.alias();
        })).ToList();
        using var inference = inference_mode();
        using var cache = new KeyValueCache(4);
        model.forward(new ModelInput { InputIds = Ids(batch, 0), Cache = cache });
        for (var step = 0; step < Added[0].Length; step++)
            check(step, model.forward(new ModelInput { InputIds = tensor(Added.Take(batch).Select(row => (long)row[step]).ToArray()).unsqueeze(1), Cache = cache }));
        foreach (var hook in hooks) hook.remove();
        return fused;
    }

    private static Tensor Ids(int batch, int added)
        => stack(Prompts.Zip(Added).Take(batch).Select(pair => tensor(pair.First.Concat(pair.Second.Take(added)).Select(id => (long)id).ToArray())));
}
