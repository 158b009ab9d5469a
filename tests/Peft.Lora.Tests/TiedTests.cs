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

    public static TheoryData<string> OneName => ["embed_tokens", "lm_head", ".*embed_tokens"];

    // As in Hugging Face PEFT 0.19.2.dev0.
    [Theory, MemberData(nameof(OneName))]
    public void Naming_one_of_two_tied_modules_adapts_both_as_one(string name)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var ids = tensor(new long[] { 4, 5 }).unsqueeze(0);
        using var model = Model();
        Tensor adapted;
        using (var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = name[0] == '.' ? name : ModuleSelector.Create([name]), EnsureWeightTying = true }))
        {
            peft.Trainables.Count.ShouldBe(2);
            peft.Find("default").Warnings.ShouldBeEmpty();
            peft.Shake();
            using (no_grad()) adapted = model.forward(ids);
            peft.Save(folder);
        }
        Keys(folder).Where(key => !key.Contains("base_layer")).ShouldBe(["lm_head.lora_A.weight", "lm_head.lora_B.weight", "model.embed_tokens.lora_embedding_A", "model.embed_tokens.lora_embedding_B"]);
        using var again = model.ApplyAdapter(folder);
        using (no_grad()) model.forward(ids).Difference(adapted).ShouldBe(0);
        again.Merge();
        using (no_grad()) model.forward(ids).RelativeDifference(adapted).ShouldBeLessThan(1e-5f);
    }

    [Theory, InlineData("embed_tokens"), InlineData("lm_head"), InlineData("embed_tokens", "lm_head")]
    public void Fully_trained_tied_modules_have_one_trained_weight(params string[] names)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var ids = tensor(new long[] { 4, 5 }).unsqueeze(0);
        using var model = Model();
        Tensor adapted;
        using (var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["q_proj"], ModulesToSave = names, EnsureWeightTying = true }))
        {
            peft.Trainables.Count.ShouldBe(3);
            peft.Shake();
            using (no_grad()) adapted = model.forward(ids);
            peft.Save(folder);
        }
        Keys(folder).ShouldBe(["lm_head.weight", "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.lora_A.weight", "model.layers.0.self_attn.q_proj.lora_B.weight"]);
        using var again = model.ApplyAdapter(folder);
        using (no_grad()) model.forward(ids).Difference(adapted).ShouldBe(0);
    }

    [Fact]
    public void One_of_two_tied_modules_cannot_be_adapted_while_the_other_is_fully_trained()
    {
        using var model = Model();
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["embed_tokens"], ModulesToSave = ["lm_head"], EnsureWeightTying = true }));
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["q_proj"], ModulesToSave = ["lm_head"], TrainableTokenIndices = new[] { 1 } }))
            .Message.ShouldContain("lm_head is already trained as a whole");
    }

    // Keys as in files of Hugging Face PEFT 0.19.2.dev0.
    [Theory]
    [InlineData("embed_tokens:1,2 lm_head:1,2", "model.embed_tokens", true)]
    [InlineData("embed_tokens:1,2 lm_head:3", "lm_head model.embed_tokens", false)]
    [InlineData("lm_head:3", "lm_head", false)]
    [InlineData("embed_tokens:3", "model.embed_tokens", true)]
    public void Trained_tokens_of_tied_modules_are_tied_unless_others_are_named(string named, string keys, bool tied)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var tokens = new TokenIndices(named.Split(' ').Select(each => each.Split(':')).ToDictionary(pair => pair[0], pair => (IReadOnlyList<int>)[.. pair[1].Split(',').Select(int.Parse)]));
        var ids = tensor(new long[] { 1, 2, 3 }).unsqueeze(0);
        using var model = Model();
        Tensor adapted;
        using (var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["q_proj"], TrainableTokenIndices = tokens }))
        {
            peft.Shake();
            using (no_grad()) adapted = model.forward(ids);
            peft.Save(folder);
            if (tied) peft.Merge();
            else Should.Throw<NotMergeableException>(() => peft.Merge());
        }
        Keys(folder).Where(key => !key.Contains("q_proj")).ShouldBe(keys.Split(' ').Select(key => key + ".token_adapter.trainable_tokens_delta"));
        using (model.ApplyAdapter(folder))
        using (no_grad()) model.forward(ids).Difference(adapted).ShouldBe(0);
        var ensured = new LoraOptions { Rank = 2, TargetModules = ["q_proj"], TrainableTokenIndices = tokens, EnsureWeightTying = true };
        if (tied) model.ApplyAdapter(ensured).Dispose();
        else Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(ensured)).Message.ShouldContain("EnsureWeightTying requires");
    }

    [Theory]
    [InlineData("embed_tokens lm_head", "lm_head.base_layer lm_head model.embed_tokens")]
    [InlineData("embed_tokens", "lm_head model.embed_tokens")]
    [InlineData("lm_head", "lm_head")]
    public void Trained_tokens_of_an_embedding_are_those_of_its_head(string targets, string keys)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var ids = tensor(new long[] { 1, 2, 3 }).unsqueeze(0);
        using var model = Model();
        Tensor adapted;
        using (var peft = model.ApplyAdapter(new TrainableTokensOptions { TargetModules = targets.Split(' '), TokenIndices = [1, 2] }))
        {
            peft.Trainables.Count.ShouldBe(1);
            peft.Shake();
            using (no_grad()) adapted = model.forward(ids);
            peft.Save(folder);
        }
        Keys(folder).ShouldBe(keys.Split(' ').Select(key => key + ".trainable_tokens_delta"));
        using (model.ApplyAdapter(folder))
        using (no_grad()) model.forward(ids).Difference(adapted).ShouldBe(0);
    }

    [Fact]
    public void Tied_modules_that_do_not_stay_tied_are_warned_of()
    {
        using var model = Model();
        using (var peft = model.ApplyAdapter(Options(tied: false))) peft.Find("default").Warnings.ShouldHaveSingleItem().ShouldContain("Set EnsureWeightTying");
        using (var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["q_proj"], EnsureWeightTying = true }))
            peft.Find("default").Warnings.ShouldHaveSingleItem().ShouldContain("EnsureWeightTying has no effect");
    }

    private static string[] Keys(TemporaryFolder folder)
    {
        using var file = Checkpoints.SafetensorsFile.Open(folder[AdapterCheckpoint.FileName]);
        return [.. file.Tensors.Keys.Select(key => key.Replace("base_model.model.", "")).Order(StringComparer.Ordinal)];
    }
}
