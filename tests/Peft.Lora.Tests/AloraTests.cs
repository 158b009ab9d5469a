using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>Activated LoRA acts from where its tokens stand last in the text on.</summary>
public sealed class AloraTests : IDisposable
{
    private static readonly int[] Call = [7, 8];
    private static readonly LoraOptions Options = new() { Rank = 2, Alpha = 8, TargetModules = ["q_proj", "v_proj", "down_proj"], AloraInvocationTokens = Call };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly CausalLM model = CausalLM.FromConfig(ModelConfig.Parse("""
        {"model_type":"llama","hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"intermediate_size":24,"vocab_size":20}
        """), seed: 1);

    public AloraTests() => manual_seed(31);

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Positions_before_the_last_invocation_are_the_base_models()
    {
        var ids = Ids([3, 7, 8, 4, 7, 8, 5, 6], [7, 8, 1, 2, 3, 4, 5, 6], [8, 7, 1, 7, 2, 8, 3, 7]);
        var before = Logits(ids);
        using var peft = model.ApplyAdapter(Options);
        peft.Shake();
        var after = Logits(ids);
        Changed(0).ShouldBe([false, false, false, false, true, true, true, true]);   // from the second call on
        Changed(1).ShouldAllBe(changed => changed);
        Changed(2).ShouldAllBe(changed => !changed);                                 // the tokens are there, but the call is not

        bool[] Changed(int row) => [.. Enumerable.Range(0, 8).Select(i => after[row, i].Difference(before[row, i]) > 1e-4f)];
    }

    [Fact]
    public void What_the_base_model_cached_serves_the_adapter()
    {
        using var peft = model.ApplyAdapter(Options);
        peft.Shake();
        var ids = Ids([3, 1, 4, 7, 8, 5, 6]);
        var whole = Logits(ids);
        using var cache = new KeyValueCache();
        using (no_grad())
        {
            using (peft.WithoutAdapters()) model.forward(new ModelInput { InputIds = ids[.., ..3], Cache = cache });
            model.forward(new ModelInput { InputIds = ids[.., 3..5], Cache = cache }).Difference(whole[.., 3..5]).ShouldBeLessThan(1e-4f);
            model.forward(new ModelInput { InputIds = ids[.., 5..6], Cache = cache }).Difference(whole[.., 5..6]).ShouldBeLessThan(1e-4f);
            cache.Truncate(5);
            model.forward(new ModelInput { InputIds = ids[.., 5..7], Cache = cache }).Difference(whole[.., 5..7]).ShouldBeLessThan(1e-4f);
        }
    }

    [Fact]
    public void Packed_sequences_are_called_each_by_itself()
    {
        using var peft = model.ApplyAdapter(Options);
        peft.Shake();
        using var _ = no_grad();
        var packed = model.forward(new ModelInput { InputIds = Ids([3, 7, 8, 5, 1, 2, 6]), PackedLengths = [4, 3] });
        packed[.., ..4].Difference(Logits(Ids([3, 7, 8, 5]))).ShouldBeLessThan(1e-4f);
        packed[.., 4..].Difference(Logits(Ids([1, 2, 6]))).ShouldBeLessThan(1e-4f);
    }

    [Fact]
    public void Rows_of_a_batch_and_parts_of_a_composition_are_called_apart()
    {
        using var peft = model.ApplyAdapter(Options, "called");
        peft.Shake();
        peft.Add("plain", Options with { AloraInvocationTokens = null });
        peft.Activate("plain");
        peft.Shake();
        int[] text = [3, 7, 8, 5, 6];
        var plain = Logits(Ids(text));
        peft.Activate("called");
        var (called, other) = (Logits(Ids(text)), Logits(Ids([1, 2, 7, 8, 6])));
        var ids = Ids(text, text, [1, 2, 7, 8, 6]);
        using (peft.Rows("plain", "called", "called"))
            Logits(ids).Difference(cat([plain, called, other])).ShouldBeLessThan(1e-4f);
        peft.Activate(Composition.BatchSplit(("plain", 1), ("called", 2)));
        Logits(ids).Difference(cat([plain, called, other])).ShouldBeLessThan(1e-4f);
    }

    [Fact]
    public void Layers_that_run_again_in_the_backward_pass_give_the_same_gradients()
    {
        using var peft = model.ApplyAdapter(Options);
        peft.Shake();
        Tensor[] Gradients(bool checkpoints)
        {
            model.CheckpointActivations = checkpoints;
            foreach (var tensor in peft.Trainables) tensor.Value.grad = null;
            var ids = Ids([3, 7, 8, 5, 6]);
            model.Loss(new ModelInput { InputIds = ids }, ids).backward();
            return [.. peft.Trainables.Select(tensor => tensor.Value.grad!.clone())];
        }
        foreach (var (kept, again) in Gradients(false).Zip(Gradients(true)))
        {
            kept.abs().max().item<float>().ShouldBeGreaterThan(0);
            kept.Difference(again).ShouldBeLessThan(1e-6f);
        }
    }

    [Fact]
    public void Where_the_text_is_not_known_it_says_so()
    {
        using (var peft = model.ApplyAdapter(Options))
        {
            Should.Throw<NotMergeableException>(() => peft.Merge());
            Should.Throw<PeftException>(() => model.forward(new ModelInput { Embeddings = randn(1, 3, 16) })).Message.ShouldContain("InputIds");
            peft.Add("other", Options with { AloraInvocationTokens = [1] });
            Should.Throw<AdapterOptionsException>(() => peft.Combine("mix", [("default", 1), ("other", 1)], new CombinationOptions { Kind = Combination.Linear })).Message.ShouldContain("AloraInvocationTokens");
        }
        using (model.ApplyAdapter(Options with { TargetModules = ["lm_head"] }))
            Should.Throw<PeftException>(() => Logits(Ids([7, 8]))).Message.ShouldContain("lm_head");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { AloraInvocationTokens = [] })).Message.ShouldContain("empty");
        ForwardPass.Current.Tokens.ShouldBeNull();   // also after a pass that threw
    }

    private static Tensor Ids(params int[][] rows) => stack([.. rows.Select(row => tensor(row.Select(id => (long)id).ToArray()))]);

    private Tensor Logits(Tensor ids)
    {
        using var _ = no_grad();
        return model.forward(ids);
    }
}
