using static TorchSharp.torch;

namespace Peft.Models.Tests;

public sealed class MergedSavingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_merged_model_is_saved_and_one_with_adapters_is_refused()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromConfig(ModelConfig.Parse("""
            {"model_type":"llama","vocab_size":40,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,"num_attention_heads":2,"tie_word_embeddings":true,"my_field":[1]}
            """));
        var ids = tensor(new long[,] { { 1, 2, 3 } });
        var peft = model.ApplyLora(rank: 4);
        peft.Shake();
        var adapted = model.forward(ids);
        Should.Throw<AdaptersAttachedException>(() => model.SavePretrained(folder)).Message.ShouldContain("MergeAndUnload()");
        peft.Merge();
        Should.Throw<AdaptersAttachedException>(() => model.SavePretrained(folder)).Message.ShouldContain("default");
        peft.MergeAndUnload();
        model.SavePretrained(folder);

        using var again = CausalLM.FromPretrained(folder);
        var merged = again.forward(ids);
        merged.Difference(adapted).ShouldBeLessThan(1e-5f);   // float32 sums in another order
        merged.Difference(model.forward(ids)).ShouldBe(0);
        again.Config["my_field"]!.ToJsonString().ShouldBe("[1]");
        again.Config["architectures"]![0]!.ToString().ShouldBe("LlamaForCausalLM");
        using var file = Checkpoints.ShardedCheckpoint.Open(folder);
        file.Tensors.Keys.ShouldNotContain("lm_head.weight");
    }
}
