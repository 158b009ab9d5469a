using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

public class MamTests
{
    private static readonly ModelConfig Config = ModelConfig.Parse("""
        { "model_type": "llama", "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64, "initializer_range": 0.2 }
        """);

    [Fact]
    public void A_mix_and_match_adapter_is_a_prefix_and_bottlenecks_in_one_file()
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromConfig(Config, seed: 3);
        var batch = new Batch { InputIds = tensor(new long[,] { { 5, 6, 7, 8, 9, 10 } }), Labels = tensor(new long[,] { { 5, 6, 7, 8, 9, 10 } }) };
        using var folder = new TemporaryFolder();
        Tensor trained;
        using (var peft = model.ApplyMam(virtualTokens: 4, encoderSize: 16))
        {
            using var parameters = new FlatParameters(peft.Trainables);
            using var optimizer = new FlatAdamW(parameters, 1e-2);
            parameters.ZeroGradients();
            model.Loss(batch).backward();
            peft.Trainables.ShouldAllBe(each => each.Value.grad!.isfinite().all().item<bool>());
            peft.Trainables.Select(each => each.Name).ShouldContain(name => name.StartsWith("prompt_encoder.transform", StringComparison.Ordinal));
            parameters.BindGradients();
            optimizer.Step();
            trained = Logits();
            using (peft.WithoutAdapters()) Logits().Difference(trained).ShouldBeGreaterThan(1e-3);
            peft.SaveAdapter(folder);
        }
        using var loaded = model.ApplyAdapter(folder);
        Logits().Difference(trained).ShouldBeLessThan(1e-5);
        loaded.Find("default").Prompt.ShouldNotBeNull();
        loaded.Find("default").Layers.Select(layer => layer.Target.Layer).Distinct().ShouldBe([0, 1]);

        Tensor Logits()
        {
            using var _ = no_grad();
            return model.forward(batch.InputIds);
        }
    }
}
