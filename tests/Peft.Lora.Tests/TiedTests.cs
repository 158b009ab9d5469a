using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>LoRA on an embedding and the head that is tied to it.</summary>
public sealed class TiedTests
{
    private static CausalLM Model() => CausalLM.FromConfig(ModelConfig.Parse("""
        {"model_type":"llama","hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,"intermediate_size":24,"vocab_size":20,"tie_word_embeddings":true}
        """));

    private static LoraOptions Options(bool tied) => new() { Rank = 2, TargetModules = new[] { "embed_tokens", "lm_head" }, EnsureWeightTying = tied };

    [Fact]
    public void Tied_factors_keep_the_two_weights_one()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        using var peft = model.ApplyAdapter(Options(tied: true));
        peft.Trainables.Count.ShouldBe(2);
        peft.Shake();
        var ids = tensor(new long[] { 1, 2, 3 }).unsqueeze(0);
        Tensor adapted;
        using (no_grad()) adapted = model.forward(ids);
        peft.Merge();
        // Sums in another order: relative to the largest logit.
        using (no_grad()) model.forward(ids).RelativeDifference(adapted).ShouldBeLessThan(1e-5f);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_head_that_two_parts_of_a_union_train_stays_tied_if_one_of_them_ties_it(bool first)
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        AdapterOptions tied = new LoraOptions { Rank = 2, TargetModules = ["q_proj"], ModulesToSave = ["lm_head"], EnsureWeightTying = true };
        AdapterOptions other = new LoHaOptions { Rank = 2, TargetModules = ["v_proj"], ModulesToSave = ["lm_head"] };
        using var peft = model.ApplyAdapter(new UnionOptions { Parts = first ? [tied, other] : [other, tied] });
        peft.Shake(0.1, seed: 1);
        var ids = tensor(new long[] { 1, 2, 3 }).unsqueeze(0);
        using var _ = no_grad();
        var adapted = model.forward(ids);
        peft.Merge();   // refused if the two were different
        model.forward(ids).RelativeDifference(adapted).ShouldBeLessThan(1e-5f);
    }

    [Fact]
    public void Untied_factors_of_a_shared_weight_cannot_be_merged()
    {
        using var model = Model();
        using var peft = model.ApplyAdapter(Options(tied: false));
        peft.Trainables.Count.ShouldBe(4);
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("shares its weight and would change");
    }

    [Fact]
    public void The_file_holds_the_factors_for_both_modules_and_is_read_back()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var ids = tensor(new long[] { 4, 5 }).unsqueeze(0);
        using var model = Model();
        Tensor adapted;
        using (var peft = model.ApplyAdapter(Options(tied: true)))
        {
            peft.Shake();
            using (no_grad()) adapted = model.forward(ids);
            peft.Save(folder);
        }
        using (var file = Checkpoints.SafetensorsFile.Open(folder[AdapterCheckpoint.FileName]))
        {
            var a = file.Read("base_model.model.model.embed_tokens.lora_embedding_A");
            file.Read("base_model.model.lm_head.lora_B.weight").Difference(a.t()).ShouldBe(0);
        }
        using var again = model.ApplyAdapter(folder);
        using (no_grad()) model.forward(ids).Difference(adapted).ShouldBe(0);
    }
}
