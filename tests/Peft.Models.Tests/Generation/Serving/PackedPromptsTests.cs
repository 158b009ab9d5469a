using static TorchSharp.torch;

namespace Peft.Models.Tests.Generation.Serving;

/// <summary>Prompts that are processed without padding give what each gives alone.</summary>
public class PackedPromptsTests
{
    private static readonly int[] Lengths = [1, 7, 40, 3, 20];
    private static readonly string[] Names = ["one", "two", PeftModel.Base, "one", "two"];
    private static readonly int[][] Prompts = [.. Lengths.Select((length, row) => Enumerable.Range(0, length).Select(i => (row * 5 + i * 7) % 24).ToArray())];

    [Theory, MemberData(nameof(DecodeLayerTests.Architectures), MemberType = typeof(DecodeLayerTests))]
    public void Prompts_and_the_next_step_give_the_logits_of_whole_passes_alone(string type, string fields)
    {
        using var model = DecodeLayerTests.Create(type, fields);
        model.eval();
        using var peft = DecodeLayerTests.Adapt(model);
        RequireEqual(model, peft);
    }

    [Fact]
    public void Embeddings_and_head_may_be_adapted()
    {
        using var model = DecodeLayerTests.Create("llama", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu" """);
        model.eval();
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ["embed_tokens", "q_proj", "lm_head"] }, "one");
        peft.Add("two", new LoraOptions { Rank = 3, TargetModules = ["lm_head", "down_proj"] });
        foreach (var name in new[] { "one", "two" })
        {
            peft.Activate(name);
            peft.Shake(0.1, seed: 4);
        }
        RequireEqual(model, peft);
    }

    [Fact]
    public void Hooks_training_and_switches_leave_the_prompts_padded()
    {
        using var model = DecodeLayerTests.Create("llama", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu" """);
        model.eval();
        PackedPrompts.Supports(model).ShouldBeTrue();
        var down = (nn.Module<Tensor, Tensor>)model.Backbone.Layers[1].named_modules().First(pair => pair.name.EndsWith("down_proj")).module;
        var hook = down.register_forward_hook((_, _, output) => output.alias());
        PackedPrompts.Supports(model).ShouldBeFalse();
        hook.remove();
        model.train();
        PackedPrompts.Supports(model).ShouldBeFalse();
    }

    private static void RequireEqual(CausalLM model, PeftModel peft)
    {
        using var scope = NewDisposeScope();
        using var inference = inference_mode();
        PackedPrompts.Supports(model).ShouldBeTrue();
        using var cache = new KeyValueCache(8);
        var last = With(peft, [.. Names.Zip(Lengths).SelectMany(pair => Enumerable.Repeat(pair.First, pair.Second))], () => PackedPrompts.LastStates(model, Prompts, cache));
        var width = Lengths.Max();
        cache.Length.ShouldBe(width);
        for (var row = 0; row < Prompts.Length; row++) cache.Tokens![row].narrow(0, width - Lengths[row], Lengths[row]).data<long>().ToArray().ShouldBe(Prompts[row].Select(id => (long)id));
        int[] next = [4, 9, 2, 17, 11];
        var mask = tensor(Lengths.SelectMany(length => Enumerable.Range(0, width + 1).Select(i => i < width - length ? 0L : 1)).ToArray(), [Lengths.Length, width + 1]);
        var (logits, step) = With(peft, Names, () => (model.NextLogits(last), model.ForwardLast(new ModelInput { InputIds = Ids(next).t(), Cache = cache, AttentionMask = mask })));
        for (var row = 0; row < Prompts.Length; row++)
        {
            using var own = peft.WithAdapters(Names[row]);
            RequireClose(logits[row], model.ForwardLast(new ModelInput { InputIds = Ids(Prompts[row]) })[0]);
            RequireClose(step[row], model.ForwardLast(new ModelInput { InputIds = Ids([.. Prompts[row], next[row]]) })[0]);
        }
    }

    private static T With<T>(PeftModel peft, IReadOnlyList<string> rows, Func<T> pass)
    {
        using var adapters = peft.Rows([.. rows]);
        return pass();
    }

    // Sums of up to 64 products in another order, through two layers.
    private static void RequireClose(Tensor actual, Tensor expected) => actual.Difference(expected).ShouldBeLessThan(2e-5 * expected.abs().max().item<float>());

    // [1, ids]
    private static Tensor Ids(int[] ids) => tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0);
}
