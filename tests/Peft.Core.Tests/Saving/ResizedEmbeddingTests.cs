using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Saving;

public sealed class ResizedEmbeddingTests : IDisposable
{
    private const string Embedding = "base_model.model.model.embed_tokens.weight", Head = "base_model.model.lm_head.weight";

    private readonly TemporaryFolder folder = new();
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();
    private readonly Tensor ids = tensor(new long[,] { { 1, 41, 3, 40 } });

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static CausalLM Model(int? resized = 42, long seed = 0, bool tied = false, long weights = 7)
    {
        var model = CausalLM.FromConfig(ModelConfig.Parse($$"""
            {"model_type":"llama","vocab_size":40,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":1,"num_attention_heads":2,"tie_word_embeddings":{{(tied ? "true" : "false")}}}
            """), weights);
        if (resized is { } count) model.ResizeTokenEmbeddings(count, rows: NewTokenRows.Random, seed: seed);
        return model;
    }

    private IReadOnlyCollection<string> Keys()
    {
        using var file = AdapterCheckpoint.OpenTensors(folder);
        return [.. file.Tensors.Keys.Where(key => !key.Contains("lora_"))];
    }

    private Tensor Saved(CausalLM model, LoraOptions? options = null, SaveEmbeddings embeddings = SaveEmbeddings.Auto)
    {
        var peft = model.ApplyAdapter(options ?? new LoraOptions { Rank = 2 });
        peft.Shake();
        peft.SaveAdapter(folder, embeddings: embeddings);
        using var _ = no_grad();
        return model.forward(model.Spec.VocabularySize > 41 ? ids : ids.clamp_max(39));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_adapter_of_a_resized_model_brings_the_new_rows(bool tied)
    {
        using var model = Model(tied: tied);
        var output = Saved(model);
        Keys().ShouldBe([Embedding, Head], ignoreOrder: true);

        using var other = Model(seed: 1, tied: tied);   // other new rows
        var peft = other.LoadAdapterInto(folder);
        using var _ = no_grad();
        other.forward(ids).Difference(output).ShouldBe(0);
        peft.SaveAdapter(folder["again"]);
        File.ReadAllBytes(Path.Combine(folder, "again", AdapterCheckpoint.FileName)).ShouldBe(File.ReadAllBytes(folder[AdapterCheckpoint.FileName]));
    }

    [Fact]
    public void A_model_that_was_not_resized_alike_is_told_how_to()
    {
        using var model = Model();
        Saved(model);
        using var small = Model(resized: null);
        using var peft = new PeftModel(small);
        Should.Throw<AdapterMismatchException>(() => peft.LoadAdapter(folder)).Message.ShouldContain("ResizeTokenEmbeddings(42)");
        peft.Adapters.ShouldBeEmpty();
        Should.Throw<PeftException>(() => small.ResizeTokenEmbeddings(42)).Message.ShouldContain("before the first adapter");
        peft.Unload();
        small.ResizeTokenEmbeddings(42);
        small.LoadAdapterInto(folder).Adapters.Count.ShouldBe(1);
    }

    [Fact]
    public void An_embedding_of_another_width_is_told_with_both_shapes()
    {
        using var model = Model();
        Saved(model);
        foreach (var rows in new[] { 42, 40 })
        {
            using var wide = CausalLM.FromConfig(ModelConfig.Parse($$"""
                {"model_type":"llama","vocab_size":{{rows}},"hidden_size":32,"intermediate_size":24,"num_hidden_layers":1,"num_attention_heads":2}
                """), 7);
            Should.Throw<AdapterMismatchException>(() => wide.LoadAdapterInto(folder)).Message.ShouldContain($"is [42, 16], but model.embed_tokens of this model is [{rows}, 32]: the adapter belongs to another base model.");
        }
    }

    [Fact]
    public void Another_base_model_is_refused_where_the_embedding_has_lost_rows()
    {
        using (var model = Model(resized: 38)) model.ApplyLora(rank: 2).SaveAdapter(folder);
        using var foreign = Model(resized: 38, weights: 8);
        Should.Throw<AdapterMismatchException>(() => foreign.LoadAdapterInto(folder)).Message.ShouldContain("another base model");
    }

    [Fact]
    public void Another_base_model_is_refused_and_a_second_adapter_changes_no_rows()
    {
        using var model = Model();
        Saved(model);
        using var foreign = Model(weights: 8);
        Should.Throw<AdapterMismatchException>(() => foreign.LoadAdapterInto(folder)).Message.ShouldContain("another base model");
        using var resized = Model(seed: 2);
        var peft = resized.ApplyLora(rank: 2);
        var rows = resized.InputEmbeddings.Weight.bytes.ToArray();
        Should.Throw<AdapterMismatchException>(() => peft.LoadAdapter(folder, "second")).Message.ShouldContain("Load the adapter into a separate model");
        resized.InputEmbeddings.Weight.bytes.SequenceEqual(rows).ShouldBeTrue();
    }

    [Fact]
    public void Saving_the_embedding_can_be_forced_and_forbidden()
    {
        using (var model = Model()) Saved(model, embeddings: SaveEmbeddings.Never);
        Keys().ShouldBeEmpty();
        using (var plain = Model(resized: null)) Saved(plain);
        Keys().ShouldBeEmpty();
        using var forced = Model(resized: null);
        var output = Saved(forced, embeddings: SaveEmbeddings.Always);
        Keys().ShouldBe([Embedding, Head], ignoreOrder: true);
        using var again = Model(resized: null);
        again.LoadAdapterInto(folder);
        using var _ = no_grad();
        again.forward(ids.clamp_max(39)).Difference(output).ShouldBe(0);
    }

    [Fact]
    public void An_adapted_embedding_is_saved_as_its_base_layer_and_a_whole_one_once()
    {
        using (var model = Model()) Saved(model, new LoraOptions { Rank = 2, TargetModules = ["embed_tokens", "q_proj"] });
        Keys().ShouldBe(["base_model.model.model.embed_tokens.base_layer.weight", Head], ignoreOrder: true);
        using (var model = Model(seed: 5)) model.LoadAdapterInto(folder);

        using (var model = Model()) Saved(model, new LoraOptions { Rank = 2, ModulesToSave = ["embed_tokens"] });
        Keys().ShouldBe([Embedding, Head], ignoreOrder: true);
        using var whole = Model(resized: null);
        Should.Throw<AdapterMismatchException>(() => whole.LoadAdapterInto(folder)).Message.ShouldContain("ResizeTokenEmbeddings(42)");
    }

    [Fact]
    public void A_merged_adapter_is_saved_with_the_base_rows()
    {
        using var model = Model();
        var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["lm_head"] });
        peft.Shake();
        var rows = model.Head.Weight.bytes.ToArray();
        peft.Merge();
        peft.SaveAdapter(folder);
        using var file = AdapterCheckpoint.OpenTensors(folder);
        file.Read("base_model.model.lm_head.base_layer.weight").bytes.SequenceEqual(rows).ShouldBeTrue();
    }
}

internal static class AdapterLoading
{
    public static PeftModel LoadAdapterInto(this nn.Module model, string folder) => new PeftModel(model).LoadAdapter(folder);
}
