using Peft.Checkpoints;
using Peft.Models;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>GPTQ and AWQ, from the samples to the files.</summary>
public class CalibrationTests
{
    // Input after input with the inverse Hessian itself, in float64: no blocks and no Cholesky factor (optimal brain quantization, in a given order).
    [Theory]
    [InlineData(4, true, false, false, 16)]
    [InlineData(4, false, true, false, 16)]
    [InlineData(3, false, true, true, 16)]
    [InlineData(2, true, false, false, 160)]
    [InlineData(8, false, false, false, -1)]
    public void GPTQ_is_optimal_brain_quantization_in_a_given_order(int bits, bool symmetric, bool order, bool fixedGroups, int size)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(7);
        const int inputs = 320, outputs = 32;
        var options = new GptqOptions { Bits = bits, IsSymmetric = symmetric, ActivationOrder = order, StaticGroups = fixedGroups, GroupSize = size };
        var matrix = randn(inputs, outputs, generator: random);
        // Inputs that depend on each other, of different sizes, and one that is always 0.
        var rows = (randn(1000, 40, generator: random).mm(randn(40, inputs, generator: random)) + randn(1000, inputs, generator: random)) * linspace(0.2, 3, inputs);
        rows.select(1, 5).zero_();
        using var statistics = new InputStatistics(inputs, CPU);
        foreach (var part in rows.split(300)) statistics.Add(part);
        statistics.Gram.Difference(rows.t().mm(rows).div(1000)).ShouldBeLessThan(1e-3);

        var solved = GptqSolver.Solve(matrix, statistics.Gram, options, "layer").Values();
        var expected = Naive(matrix, statistics.Gram, options);
        // A value in the middle of two may fall to either side for float32, and moves what follows in its row a little.
        solved.isclose(expected.to(ScalarType.Float32), 1e-5, 1e-6).to(ScalarType.Float32).mean().item<float>().ShouldBeGreaterThan(bits == 8 ? 0.97f : 0.99f);
        var (error, best) = (statistics.Error(matrix, solved), statistics.Error(matrix, expected.to(ScalarType.Float32)));
        error.ShouldBe(best, best * 0.02);
        var rounded = statistics.Error(matrix, GroupedCodes.Round(matrix, options.SizeFor(inputs), bits, symmetric, "layer").Values());
        error.ShouldBeLessThan(rounded * 0.8);
    }

    private static Tensor Naive(Tensor matrix, Tensor gram, GptqOptions options)
    {
        var (inputs, outputs) = ((int)matrix.shape[0], (int)matrix.shape[1]);
        var size = options.SizeFor(inputs);
        var hessian = gram.to(ScalarType.Float64);
        var diagonal = hessian.diagonal().data<double>().ToArray();
        var mean = diagonal.Where(value => value != 0).Average();
        for (var i = 0; i < inputs; i++) hessian[i, i] = (diagonal[i] == 0 ? mean : diagonal[i]) + options.Damping * mean;
        int[] order = [.. Enumerable.Range(0, inputs)];
        if (options.ActivationOrder) order = [.. order.OrderByDescending(i => diagonal[i])];
        var weights = matrix.to(ScalarType.Float64).clone();
        var original = weights.clone();
        var result = zeros_like(weights);
        var inverse = linalg.inv(hessian);
        (double[] Scale, double[] Zero) grid = ([], []);
        for (var step = 0; step < inputs; step++)
        {
            var i = order[step];
            if (options.StaticGroups) grid = Grid([.. Enumerable.Range(i / size * size, size)], original);
            else if (step % size == 0) grid = Grid(order[step..(step + size)], weights);
            var largest = (1 << options.Bits) - 1;
            var now = weights[i].data<double>().ToArray();
            var values = now.Select((value, o) => (Math.Clamp(Math.Round(value / grid.Scale[o]) + grid.Zero[o], 0, largest) - grid.Zero[o]) * grid.Scale[o]).ToArray();
            result[i] = tensor(values);
            var error = tensor(now.Select((value, o) => value - values[o]).ToArray()).div(inverse[i, i]);
            weights = weights.sub(inverse[i].unsqueeze(1).mul(error.unsqueeze(0)));
            weights[i] = result[i];
            // The input leaves the problem: Gaussian elimination of its row and column.
            inverse = inverse.sub(inverse[.., i].unsqueeze(1).mul(inverse[i].unsqueeze(0)).div(inverse[i, i]));
        }
        return result;

        (double[], double[]) Grid(int[] members, Tensor from)
        {
            var own = from.index_select(0, tensor(members.Select(each => (long)each).ToArray()));
            var (low, high) = (own.amin([0]).data<double>().ToArray(), own.amax([0]).data<double>().ToArray());
            var (scale, zero) = (new double[outputs], new double[outputs]);
            for (var o = 0; o < outputs; o++)
            {
                var (from0, to0) = (Math.Min(low[o], 0), Math.Max(high[o], 0));
                if (options.IsSymmetric) (from0, to0) = (-Math.Max(-from0, to0), Math.Max(-from0, to0));
                scale[o] = (double)(Half)((to0 - from0) / ((1 << options.Bits) - 1));
                zero[o] = options.IsSymmetric ? 1 << (options.Bits - 1) : Math.Round(-from0 / scale[o]);
            }
            return (scale, zero);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(8)]
    public void Packing_is_the_inverse_of_unpacking(int bits)
    {
        using var scope = NewDisposeScope();
        foreach (var count in new[] { 32, 192, bits == 3 ? 96 : 32 / bits * 3 })
        {
            var codes = randint(0, 1 << bits, [count, 5]).to(ScalarType.Float32);
            PackedBits.Unpack(CodePacking.Along(codes, bits), bits).to(ScalarType.Float32).ShouldBeExactly(codes);
        }
    }

    public static TheoryData<CalibratedOptions> Methods => [
        QuantizationOptions.Gptq(4, 32), QuantizationOptions.Gptq(3, 32), QuantizationOptions.Gptq(2, 16, activationOrder: true, isSymmetric: false),
        QuantizationOptions.Gptq(4, 64, activationOrder: true) with { StaticGroups = true }, QuantizationOptions.Gptq(8, -1), QuantizationOptions.Awq(32), QuantizationOptions.Awq(32) with { Clip = false },
    ];

    [Theory, MemberData(nameof(Methods))]
    public void Outputs_and_perplexity_are_nearer_than_those_of_rounding(CalibratedOptions options)
    {
        using var scope = NewDisposeScope();
        using var model = Stories.Model();
        var (samples, held) = (Stories.Batches(), Stories.Batches(held: true));
        var report = model.Quantize(options, samples, held);
        var before = report.PerplexityBefore!.Value;
        report.PerplexityAfter!.Value.ShouldBe(Stories.Perplexity(model, held), 1e-3);
        report.Weights.Count.ShouldBe(35);
        using var rounded = Stories.Rounded(options);
        report.Weights.Average(each => each.Error).ShouldBeLessThan(report.Weights.Average(each => each.RoundingError) * (options is AwqOptions ? 0.95 : 0.75));
        // 8 bits cost nothing that could be measured.
        var distance = Stories.Perplexity(rounded, held) - before;
        (report.PerplexityAfter!.Value - before).ShouldBeLessThan(options switch { GptqOptions { Bits: 8 } => 0.01, GptqOptions { Bits: < 4 } => distance * 0.7, _ => distance });
    }

    public static TheoryData<CalibratedOptions> Saved => [
        QuantizationOptions.Gptq(4, 32), QuantizationOptions.Gptq(3, 16, activationOrder: true, isSymmetric: false), QuantizationOptions.Gptq(8, -1), QuantizationOptions.Gptq(2, 32) with { SkipModules = ["down_proj"] },
        QuantizationOptions.Awq(64), QuantizationOptions.Awq(32) with { SkipModules = ["layers.0.self_attn.v_proj", "up_proj"] },
    ];

    [Theory, MemberData(nameof(Saved))]
    public void A_saved_model_is_read_back_bit_for_bit(CalibratedOptions options)
    {
        using var scope = NewDisposeScope();
        using var model = Stories.Model();
        var samples = Stories.Batches();
        model.Quantize(options, samples.Take(1));
        using var folder = new TemporaryFolder();
        model.SavePretrained(folder);
        using var again = CausalLM.FromPretrained(folder);
        var weights = model.QuantizedWeights();
        again.QuantizedWeights().Keys.ShouldBe(weights.Keys);
        foreach (var (path, weight) in again.QuantizedWeights())
            foreach (var (name, tensor) in weight.Matrix.Held) tensor.ShouldBeExactly(weights[path].Matrix.Held[name]);
        foreach (var (name, parameter) in again.named_parameters()) parameter.ShouldBeExactly(model.get_parameter(name)!);
        using var _ = no_grad();
        again.call(samples[0].InputIds).ShouldBeExactly(model.call(samples[0].InputIds));

        var config = again.Config["quantization_config"]!;
        (config["bits"]!.GetValue<int>(), config["group_size"]!.GetValue<int>()).ShouldBe((options is GptqOptions { Bits: var bits } ? bits : 4, options.GroupSize));
        if (options is GptqOptions gptq)
        {
            config["checkpoint_format"]!.GetValue<string>().ShouldBe(gptq.IsSymmetric ? "gptq" : "gptq_v2");
            (config["sym"]!.GetValue<bool>(), config["desc_act"]!.GetValue<bool>()).ShouldBe((gptq.IsSymmetric, gptq.ActivationOrder));
            (config["modules_in_block_to_quantize"] is not null).ShouldBe(gptq.SkipModules.Count > 0);
        }
        else (config["modules_to_not_convert"]?.AsArray().Count ?? 0).ShouldBe(options.SkipModules.Count == 0 ? 0 : 6);
        // What was loaded is described as it was.
        using var other = new TemporaryFolder();
        again.SavePretrained(other);
        File.ReadAllText(other["config.json"]).ShouldBe(File.ReadAllText(folder["config.json"]));
    }

    [Fact]
    public void Layer_by_layer_gives_what_whole_passes_give()
    {
        using var scope = NewDisposeScope();
        using var model = Stories.Model();
        using var whole = new Wrapper(Stories.Model());
        var samples = Stories.Batches().Take(1).ToList();
        var report = model.Quantize(QuantizationOptions.Gptq(4, 32), samples);
        var other = whole.Quantize(QuantizationOptions.Gptq(4, 32), samples, batch => whole.Inner.Loss(batch).Dispose());
        other.Weights.Select(each => each.Path["Inner.".Length..]).ShouldBe(report.Weights.Select(each => each.Path));
        foreach (var (path, weight) in model.QuantizedWeights()) weight.Read().ShouldBeExactly(whole.Inner.QuantizedWeights()[path].Read());
        (other.LossBefore, other.PerplexityAfter).ShouldBe((null, null));
    }

    [Fact]
    public void Padding_does_not_count()
    {
        using var scope = NewDisposeScope();
        var batch = Stories.Batches()[0].Rows(0, 3, 1)!;
        var reports = new List<CalibrationReport>();
        foreach (var (before, after) in new[] { (0, 0), (0, 9), (9, 0) })
        {
            using var model = Stories.Model();
            var padded = new Batch
            {
                InputIds = nn.functional.pad(batch.InputIds, [before, after], value: 7), Labels = nn.functional.pad(batch.Labels!, [before, after], value: Batch.IgnoredLabel),
                AttentionMask = nn.functional.pad(ones_like(batch.InputIds), [before, after]), Weight = batch.Weight,
            };
            reports.Add(model.Quantize(QuantizationOptions.Awq(32), [padded]));
        }
        foreach (var report in reports.Skip(1))
            foreach (var (mine, other) in report.Weights.Zip(reports[0].Weights)) mine.RoundingError.ShouldBe(other.RoundingError, 0.02 * other.RoundingError, mine.Path);
    }

    [Fact]
    public void A_failure_leaves_the_model_as_it_was()
    {
        using var scope = NewDisposeScope();
        var samples = Stories.Batches();
        foreach (var options in new CalibratedOptions[] { QuantizationOptions.Gptq(4, 32), QuantizationOptions.Awq(32) })
        {
            using var model = Stories.Model();
            model.train();
            var before = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.clone());
            using var cancelled = new CancellationTokenSource();
            var seen = 0;
            Should.Throw<OperationCanceledException>(() => model.Quantize(options, samples.Take(1), progress: new Immediate(_ => { if (++seen == 20) cancelled.Cancel(); }), cancellationToken: cancelled.Token));
            seen.ShouldBeInRange(20, 21);
            model.QuantizedWeights().ShouldBeEmpty();
            model.training.ShouldBeTrue();
            model.named_parameters().Select(pair => pair.name).ShouldBe(before.Keys);
            foreach (var (name, parameter) in model.named_parameters()) parameter.ShouldBeExactly(before[name]);
        }
    }

    [Fact]
    public void What_cannot_be_quantized_is_named()
    {
        using var scope = NewDisposeScope();
        var samples = Stories.Batches().Take(1).ToList();
        using var model = Stories.Model();
        using (var plain = CausalLM.FromPretrained(Stories.Folder))
        {
            Message(() => plain.Quantize(QuantizationOptions.Gptq(4, -1), samples)).ShouldContain("model.layers.0.mlp.gate_proj.weight: 4 bits of [172, 64] values do not fill whole words of 32");
            Message(() => plain.Quantize(QuantizationOptions.Gptq(), samples)).ShouldContain("64 inputs are not a multiple of the group size 128");
            Message(() => plain.Quantize(QuantizationOptions.Awq(64) with { SkipModules = ["down_proj"] }, samples)).ShouldContain("172 outputs are not a multiple of 8");
            plain.Quantize(QuantizationOptions.Gptq(4, 32) with { SkipModules = Feed }, samples).Weights.Count.ShouldBe(20);
            Message(() => plain.Quantize(QuantizationOptions.Awq(64) with { SkipModules = Feed }, samples)).ShouldContain("no weight to quantize");
        }
        foreach (var wrong in new CalibratedOptions[]
        {
            QuantizationOptions.Gptq(5, 32), QuantizationOptions.Gptq(4, 0), QuantizationOptions.Gptq() with { Damping = 0 }, QuantizationOptions.Gptq() with { StaticGroups = true }, QuantizationOptions.Awq() with { Steps = 0 },
            QuantizationOptions.Awq(-2), QuantizationOptions.Gptq() with { SkipModules = [" "] },
        }) Should.Throw<ArgumentException>(() => model.Quantize(wrong, samples));
        Should.Throw<ArgumentException>(() => model.Quantize(QuantizationOptions.Gptq(4, 32), [])).Message.ShouldContain("no samples");
        Should.Throw<ArgumentException>(() => model.Quantize(QuantizationOptions.Gptq(4, 32), samples, evaluation: []));
        using (model.ApplyLora()) Should.Throw<PeftException>(() => model.Quantize(QuantizationOptions.Gptq(4, 32), samples)).Message.ShouldContain("has adapters");

        model.train();
        using (var wrapper = new Wrapper(model))
        {
            Message(() => wrapper.Quantize(QuantizationOptions.Gptq(4, 32), samples, batch => model.Loss(batch).Dispose())).ShouldContain("No sample reached Unused");
            Message(() => wrapper.Quantize(QuantizationOptions.Awq(32), samples, batch => model.Loss(batch).Dispose())).ShouldContain("use GPTQ");
            using var _ = no_grad();
            model.InputEmbeddings.Weight[7, 3] = double.NaN;
            var batch = new Batch { InputIds = tensor(new long[,] { { 1, 7, 9 } }), Labels = tensor(new long[,] { { 1, 7, 9 } }), Weight = 2 };
            Message(() => model.Quantize(QuantizationOptions.Gptq(4, 32), [batch])).ShouldContain("model.layers.0.self_attn.q_proj holds values that are not finite in sample 0");
            ((AdaptableModule)model.named_modules().Single(pair => pair.name == "model.layers.2.mlp.up_proj").module).Weight[0, 0] = double.PositiveInfinity;
            Message(() => model.Quantize(QuantizationOptions.Gptq(4, 32), samples)).ShouldContain("model.layers.2.mlp.up_proj.weight holds values that are not finite");
            model.QuantizedWeights().ShouldBeEmpty();
        }
    }

    private static readonly string[] Feed = ["gate_proj", "up_proj", "down_proj"];

    private static string Message(Action act) => Should.Throw<QuantizationException>(act).Message;

    private sealed class Immediate(Action<CalibratedWeight> report) : IProgress<CalibratedWeight>
    {
        public void Report(CalibratedWeight value) => report(value);
    }

    // A model of the user's own around another.
    private sealed class Wrapper : nn.Module<Tensor, Tensor>
    {
        public Wrapper(CausalLM inner) : base("")
        {
            Inner = inner;
            register_module("Inner", inner);
            if (!inner.training) return;
            var unused = new Linear(32, 32);
            nn.init.ones_(unused.Weight);
            register_module("Unused", unused);
        }

        public CausalLM Inner { get; }

        public override Tensor forward(Tensor ids) => Inner.call(ids);
    }
}
