using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>Padding that is not computed: the results of a padded batch are those of a pass that computes it.</summary>
public sealed class PaddingTests : BehaviourTests
{
    // The parts of the union would train the head twice.
    public static TheoryData<string> ClassifyingMethods => [.. Sample.Methods.Where(method => method != new UnionOptions().PeftType)];

    [Theory, MemberData(nameof(ClassifyingMethods))]
    public void A_classifier_with_any_method_gives_the_same_logits_and_gradients(string method)
    {
        using var model = SequenceClassifier.FromConfig(SmallModel.Config, seed: 3, new() { LabelCount = 3, Pooling = Pooling.Mean });
        using var peft = new PeftModel(model);
        Sample.Of(method).Prepare(peft);
        peft.AddSample(method, PeftModel.DefaultName).Trained();
        ShouldNotDependOnPadding(model, peft);
    }

    public static TheoryData<string> EncoderAdapters => ["gated", "bottleneck", "lora", "ia3", "prefix"];

    [Theory, MemberData(nameof(EncoderAdapters))]
    public void So_does_an_encoder_with_gates_too(string kind)
    {
        using var model = SequenceClassifier.FromConfig(ModelConfig.Parse("""
            {"model_type":"bert","vocab_size":40,"hidden_size":32,"num_attention_heads":4,"num_hidden_layers":2,"intermediate_size":48,"max_position_embeddings":32,
             "type_vocab_size":2,"pad_token_id":0,"initializer_range":0.2,"hidden_dropout_prob":0,"attention_probs_dropout_prob":0}
            """), seed: 3, new() { LabelCount = 3, Pooling = Pooling.Mean });
        using var peft = kind switch
        {
            "gated" => model.ApplyAdapter(BottleneckOptions.Pfeiffer with { ReductionFactor = 4, UseGating = true }),
            "bottleneck" => model.ApplyAdapter(BottleneckOptions.Houlsby with { ReductionFactor = 4 }),
            "ia3" => model.ApplyIa3(),
            "prefix" => model.ApplyAdapter(new PrefixTuningOptions { VirtualTokens = 3 }),
            _ => model.ApplyLora(rank: 4),
        };
        ShouldNotDependOnPadding(model, peft.Trained());
    }

    private static void ShouldNotDependOnPadding(SequenceClassifier model, PeftModel peft)
    {
        model.eval();   // dropout would draw different numbers
        foreach (var left in new[] { false, true })
        {
            var mask = zeros([4, 6], ScalarType.Int64);
            foreach (var (row, length) in new long[] { 6, 1, 4, 3 }.Index()) mask[row].narrow(0, left ? 6 - length : 0, length).fill_(1);
            var input = new ModelInput { InputIds = SmallModel.Ids().mul(mask), AttentionMask = mask };
            var (logits, gradients) = Pass();
            // Observers get the batch as it is.
            using var observed = peft.Observe((_, _) => { });
            var (expected, expectedGradients) = Pass();
            logits.ShouldBeNear(expected);
            foreach (var (gradient, other) in gradients.Zip(expectedGradients)) gradient.ShouldBeNear(other);

            (Tensor, List<Tensor>) Pass()
            {
                foreach (var each in peft.Trainables) each.Value.grad = null;
                var scores = model.forward(input);
                scores.mul(tensor(new[] { 1f, -2f, 3f })).sum().backward();
                return (scores.detach(), [.. peft.Trainables.Select(each => each.Value.grad?.clone() ?? zeros(1))]);
            }
        }
    }
}
