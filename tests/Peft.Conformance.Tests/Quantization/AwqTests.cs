using Peft.Models;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>AWQ's factors and ranges.</summary>
public class AwqTests
{
    public static TheoryData<string> Layered => [.. Oracle.Bases.Where(name => new ModelRegistry().Describe(ModelConfig.FromFolder(Oracle.Base(name))) is { Encoder: null, SharedLayers.Count: 0 })];

    // What AWQ multiplies in the one place and divides in the other changes nothing.
    [Theory, MemberData(nameof(Layered))]
    public void Factors_that_are_divided_before_a_module_change_nothing(string name)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var random = new Generator(3);
        using var model = AdaptedCase.LoadBase(name);
        var layered = (ILayeredModel)model;
        var ids = tensor(Enumerable.Range(3, 12).Select(i => (long)i).ToArray(), [2, 6]);
        var expected = model.call(ids).clone();
        var folds = 0;
        for (var layer = 0; layer < layered.Layers.Count; layer++)
            foreach (var fold in layered.FoldsOf(layer))
            {
                folds++;
                var factors = rand(fold.To[0] is TransposedLinear ? fold.To[0].Weight.shape[0] : fold.To[0].Weight.shape[1], generator: random) * 1.5 + 0.5;
                foreach (var to in fold.To) to.Weight.mul_(to is TransposedLinear ? factors.unsqueeze(1) : factors);
                if (fold.From is Linear or TransposedLinear)
                {
                    var outputs = fold.From is TransposedLinear ? fold.From.Weight.shape[1] : fold.From.Weight.shape[0];
                    var divisors = fold.Outputs is null ? factors : ones(outputs).index_copy(0, tensor(fold.Outputs.ToArray()), factors);
                    fold.From.Weight.div_(fold.From is TransposedLinear ? divisors : divisors.unsqueeze(1));
                    fold.From.Bias?.div_(divisors);
                }
                else
                {
                    fold.From.Weight.copy_((fold.From.Weight + fold.NormOffset) / factors - fold.NormOffset);
                    fold.From.Bias?.div_(factors);
                }
            }
        folds.ShouldBeGreaterThan(0);
        model.call(ids).RelativeDifference(expected).ShouldBeLessThan(2e-5);
    }

    // Joined projections, norms with biases or an offset, transposed weights: a division at a wrong place would change the function.
    [Theory]
    [InlineData("gpt2")]
    [InlineData("gpt-neox")]
    [InlineData("phi3")]
    [InlineData("gemma3")]
    [InlineData("mistral")]
    public void AWQ_of_other_architectures(string name)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var random = new Generator(5);
        var batches = Enumerable.Range(0, 2).Select(n => randint(3, 90, [8, 24], generator: random)).Select(ids => new Batch { InputIds = ids, Labels = ids.alias(), Weight = 8 * 23 }).ToList();
        var logits = new List<Tensor>();
        foreach (var options in new AwqOptions?[] { null, QuantizationOptions.Awq(16) with { Steps = 1, Clip = false }, QuantizationOptions.Awq(16) with { Clip = false } })
        {
            using var model = (CausalLM)AdaptedCase.LoadBase(name);
            // A few inputs that are much larger than the others, as in trained models.
            foreach (var (_, module) in model.named_modules().Where(pair => pair.module is RmsNorm or LayerNorm)) ((AdaptableModule)module).Weight[..3] *= 6;
            var report = options is null ? null : model.Quantize(options, batches);
            report?.Weights.Count.ShouldBe(model.QuantizedWeights().Count);
            logits.Add(model.call(batches[0].InputIds).clone());
        }
        // With one step, the exponent 0, factors are all 1: weights are rounded.
        var (rounded, scaled) = ((logits[1] - logits[0]).square().mean().item<float>(), (logits[2] - logits[0]).square().mean().item<float>());
        scaled.ShouldBeLessThan(rounded);
        scaled.ShouldBeGreaterThan(0);
    }

    // Group after group, output after output, with the inputs themselves, in float64.
    [Fact]
    public void AWQ_clips_to_the_range_of_least_error()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(11);
        const int inputs = 64, outputs = 24, size = 32, rows = 200;
        var matrix = randn(inputs, outputs, generator: random);
        matrix[3] *= 4;   // a large weight in the first group, whose input is small
        var x = (randn(rows, 8, generator: random).mm(randn(8, inputs, generator: random)) + randn(rows, inputs, generator: random)) * linspace(0.1, 2, inputs);
        var clipped = AwqClipping.Run(matrix, x.t().mm(x).div(rows), size, 4, "layer");

        var (given, chosen) = (x.Values<float>(), new List<double>());
        for (var output = 0; output < outputs; output++)
            for (var group = 0; group < inputs; group += size)
            {
                var weights = matrix[TensorIndex.Slice(group, group + size), output].Values<float>();
                var largest = weights.Max(MathF.Abs);
                var errors = Enumerable.Range(0, 10).Select(step =>
                {
                    var limit = largest * (1 - step / 20.0);
                    double[] cut = [.. weights.Select(weight => Math.Clamp(weight, -limit, limit))];
                    var (low, high) = (Math.Min(cut.Min(), 0), Math.Max(cut.Max(), 0));
                    var scale = (double)(Half)((high - low) / 15);
                    var zero = Math.Clamp(Math.Round(-low / scale), 0, 15);
                    double[] errors = [.. cut.Select((weight, i) => (Math.Clamp(Math.Round(weight / scale) + zero, 0, 15) - zero) * scale - weights[i])];
                    return Enumerable.Range(0, rows).Sum(row => Math.Pow(Enumerable.Range(0, size).Sum(i => given[row * inputs + group + i] * errors[i]), 2));
                }).ToList();
                var limits = clipped[TensorIndex.Slice(group, group + size), output].Values<float>().Max(MathF.Abs);
                var step = (int)Math.Round(20 * (1 - limits / largest));
                errors[step].ShouldBeLessThan(errors.Min() * 1.001 + 1e-9);   // the least, but for rounding
                chosen.Add(step);
            }
        chosen.Distinct().Count().ShouldBeGreaterThan(3);
        (AwqClipping.Clips("model.layers.0.self_attn.q_proj"), AwqClipping.Clips("model.layers.0.self_attn.v_proj"), AwqClipping.Clips("h.0.attn.c_attn"), AwqClipping.Clips("h.0.mlp.c_proj")).ShouldBe((false, true, false, true));
    }

    [Fact]
    public void Clipping_lowers_errors_and_perplexity_stays_below_that_of_rounding()
    {
        using var scope = NewDisposeScope();
        var (samples, held) = (Stories.Batches(), Stories.Batches(held: true));
        var reports = new List<CalibrationReport>();
        foreach (var clip in new[] { false, true })
        {
            using var model = Stories.Model();
            reports.Add(model.Quantize(QuantizationOptions.Awq(32) with { Clip = clip }, samples, held));
        }
        reports[1].Weights.Average(each => each.Error).ShouldBeLessThan(reports[0].Weights.Average(each => each.Error));
        using var rounded = Stories.Rounded(QuantizationOptions.Awq(32));
        var limit = Stories.Perplexity(rounded, held);
        reports.ShouldAllBe(report => report.PerplexityAfter < limit);
    }

    [Fact]
    public void AWQ_of_an_encoder_decoder_is_refused_by_name()
    {
        using var model = AdaptedCase.LoadBase("t5");
        Should.Throw<QuantizationException>(() => model.Quantize(QuantizationOptions.Awq(16), [0], _ => { })).Message.ShouldMatch("AWQ divides the inputs of modules .* which a Seq2SeqLM does not tell: use GPTQ");
    }
}
