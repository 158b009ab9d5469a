using Peft.Checkpoints;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>ReFT against AdapterHub's Adapters library, read from its files, at the ends of the layers of every architecture.</summary>
public sealed class ReftTests : IDisposable
{
    private const double Rounding = 2e-4;   // float32, two layers, logits of about 10

    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Bases => [.. Oracle.Folders("reft")];

    [Theory, MemberData(nameof(Bases))]
    public void The_logits_are_those_of_the_Adapters_library_with_padding_on_both_sides(string name)
    {
        var folder = Path.Combine(Oracle.Folder, "reft", name);
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var io = SafetensorsFile.Open(Path.Combine(Oracle.Base(name), "io.safetensors"));
        using var model = AdaptedCase.LoadBase(name);
        model.eval();
        using var peft = new PeftModel(model);
        peft.LoadFromAdapterHub(folder);
        using var _ = no_grad();
        // transformers numbers GPT-2's positions from the padding on.
        foreach (var side in expected.Tensors.ContainsKey("left") && name != "gpt2" ? new[] { "left", "right" } : ["right"])
        {
            var mask = expected.Read($"mask.{side}");
            var input = new ModelInput { InputIds = io.Read("input_ids"), AttentionMask = mask };
            if (model is Seq2SeqLM) input = input with { DecoderInputIds = Shifted(io.Read("labels")) };
            var (actual, right) = (Logits(model, input), expected.Read(side));
            if (right.dim() == 3 && model is not Seq2SeqLM) (actual, right) = (actual[mask.to_type(ScalarType.Bool)], right[mask.to_type(ScalarType.Bool)]);
            actual.Difference(right).ShouldBeLessThan(Rounding, side);
        }
        peft.Unreached.ShouldBeEmpty();
    }

    private static Tensor Logits(PretrainedModel model, ModelInput input) => model switch
    {
        CausalLM each => each.forward(input),
        MaskedLM each => each.forward(input),
        SequenceClassifier each => each.forward(input),
        Seq2SeqLM each => each.forward(input),
        _ => throw new InvalidOperationException($"{model.GetType().Name} has no logits."),
    };

    // The decoder's start token, which is also its padding, is 0.
    private static Tensor Shifted(Tensor labels) => cat([zeros_like(labels.narrow(1, 0, 1)), labels.narrow(1, 0, labels.shape[1] - 1)], 1).maximum(zeros_like(labels));
}
