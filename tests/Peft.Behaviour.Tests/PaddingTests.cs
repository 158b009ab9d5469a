using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>Padding that is not computed: the results of a padded batch are those of a pass that computes it.</summary>
public sealed class PaddingTests : BehaviourTests
{
    [Theory, MemberData(nameof(EveryMethod))]
    public void A_classifier_with_any_method_gives_the_same_logits_and_gradients(string method)
    {
        using var model = SequenceClassifier.FromConfig(SmallModel.Config, seed: 3, new() { LabelCount = 3, Pooling = Pooling.Mean });
        using var peft = new PeftModel(model);
        Sample.Of(method).Prepare(peft);
        peft.AddSample(method, PeftModel.DefaultName).Trained();
        model.eval();   // dropout would draw different numbers
        foreach (var left in new[] { false, true })
        {
            var real = new long[] { 6, 1, 4, 3 };
            var mask = zeros([4, 6], ScalarType.Int64);
            foreach (var (row, length) in real.Index()) mask[row].narrow(0, left ? 6 - length : 0, length).fill_(1);
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
                scores.mul(arange(Constant(3))).sum().backward();
                return (scores.detach(), [.. peft.Trainables.Select(each => each.Value.grad?.clone() ?? zeros(1))]);
            }
        }

        static Scalar Constant(int value) => value;
    }
}
