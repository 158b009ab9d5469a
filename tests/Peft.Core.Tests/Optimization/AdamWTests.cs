using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Optimization;

public class AdamWTests
{
    [Theory]
    [InlineData(0.0, 0.9, 0.999, 1e-8)]
    [InlineData(0.1, 0.8, 0.95, 1e-6)]
    public void Two_hundred_steps_equal_those_of_torch(double decay, double beta1, double beta2, double epsilon)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var own = Enumerable.Range(0, 5).Select(i => Trainables.Trainable($"t{i}", i + 1, 21)).ToArray();
        var other = own.Select(tensor => new Parameter(tensor.Value.detach().clone())).ToArray();
        using var flat = new FlatParameters(own);
        using var optimizer = new FlatAdamW(flat, 0.01, new() { WeightDecay = decay, Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon });
        var torchs = optim.AdamW(other, 0.01, beta1, beta2, epsilon, decay);
        for (var step = 0; step < 200; step++)
        {
            for (var i = 0; i < own.Length; i++)
            {
                var gradient = randn_like(other[i]).detach();
                own[i].SetGradient(gradient);
                other[i].grad = gradient;
            }
            optimizer.Step();
            torchs.step();
        }
        for (var i = 0; i < own.Length; i++) own[i].Value.Difference(other[i]).ShouldBeLessThanOrEqualTo(1e-6);
    }

    [Fact]
    public void Steps_follow_the_formula_in_double_precision()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        const double rate = 0.003, decay = 0.05, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
        var parameter = Trainables.Trainable("p", rand(64, dtype: ScalarType.Float64));
        var theta = parameter.Value.data<double>().ToArray();
        var (m, v) = (new double[64], new double[64]);
        using var flat = new FlatParameters([parameter]);
        using var optimizer = new FlatAdamW(flat, rate, new() { WeightDecay = decay });
        for (var step = 1; step <= 50; step++)
        {
            var gradient = randn(64, dtype: ScalarType.Float64);
            parameter.SetGradient(gradient);
            var g = gradient.data<double>().ToArray();
            optimizer.Step(1.0 / step);
            for (var i = 0; i < 64; i++)
            {
                m[i] = beta1 * m[i] + (1 - beta1) * g[i];
                v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
                var (mean, square) = (m[i] / (1 - Math.Pow(beta1, step)), v[i] / (1 - Math.Pow(beta2, step)));
                theta[i] -= rate / step * (decay * theta[i] + mean / (Math.Sqrt(square) + epsilon));
            }
        }
        var numbers = parameter.Value.data<double>().ToArray();
        for (var i = 0; i < 64; i++) numbers[i].ShouldBe(theta[i], 1e-12);   // double rounding over 50 steps
    }

    [Fact]
    public void Squares_of_tiny_gradients_count_with_a_tiny_epsilon()
    {
        using var scope = NewDisposeScope();
        var parameter = Trainables.Trainable("p", ones(21));
        using var flat = new FlatParameters([parameter]);
        using var optimizer = new FlatAdamW(flat, 0.01, new() { WeightDecay = 0, Epsilon = 1e-30 });
        parameter.SetGradient(full(21, 1e-18f));   // the mean of squares is 1e-39, which is not normal
        optimizer.Step();
        parameter.Value.Values<float>().ShouldAllBe(value => Math.Abs(value - 0.99f) < 1e-6f);   // as with any gradient, a first step has the length of the learning rate
    }

    [Theory]
    [InlineData(1e-8)]
    [InlineData(1e-6)]
    public void Moments_of_parameters_without_gradients_end_at_zero(double epsilon)
    {
        using var scope = NewDisposeScope();
        var parameter = Trainables.Trainable("p", 21);
        using var flat = new FlatParameters([parameter]);
        using var optimizer = new FlatAdamW(flat, 0.01, new() { Beta2 = 0.95, Epsilon = epsilon });
        parameter.SetGradient(linspace(-1, 1, 21));
        optimizer.Step();
        flat.ZeroGradients();
        for (var step = 0; step < 2000; step++)
        {
            optimizer.Step();
            foreach (var (name, moment) in optimizer.GetState())
                if (moment.numel() == 21) moment.Values<float>().ShouldAllBe(value => !float.IsSubnormal(value), name);
        }
        foreach (var name in new[] { "exp_avg.p", "exp_avg_sq.p" }) optimizer.GetState()[name].Values<float>().ShouldAllBe(value => value == 0, name);
    }

    [Fact]
    public void Groups_have_their_own_rate_and_decay()
    {
        using var scope = NewDisposeScope();
        var slow = Trainables.Trainable("slow", ones(4));
        var fast = Trainables.Trainable("fast", ones(4));
        var still = Trainables.Trainable("still", ones(4));
        var options = new AdamWOptions
        {
            WeightDecay = 0.5,
            Groups =
            [
                new("fast", tensor => tensor.Name == "fast") { LearningRateScale = 4, WeightDecay = 0 },
                new("still", tensor => tensor.Name == "still") { LearningRate = 0 },
            ],
        };
        using var flat = new FlatParameters([slow, fast, still], options.Groups);
        using var optimizer = new FlatAdamW(flat, 0.1, options);
        foreach (var tensor in new[] { slow, fast, still }) tensor.SetGradient(ones(4));
        optimizer.Step();

        // The first step of Adam has length 1 in every coordinate.
        slow.Value.Values<float>()[0].ShouldBe(1 - 0.1f * 0.5f - 0.1f, 1e-6f);
        fast.Value.Values<float>()[0].ShouldBe(1 - 0.4f, 1e-6f);
        still.Value.Values<float>()[0].ShouldBe(1f);
    }

    [Fact]
    public void LoraPlus_makes_the_four_groups_of_the_reference()
    {
        TrainableTensor[] tensors =
        [
            Trainables.Trainable("q_proj.lora_A.weight", 2, 4), Trainables.Trainable("q_proj.lora_B.weight", 4, 2), Trainables.Trainable("q_proj.lora_B.bias", 4),
            Trainables.Trainable("q_proj.lora_magnitude_vector", 4), Trainables.Trainable("input_layernorm.weight", 4), Trainables.Trainable("embed.lora_embedding_B", 4, 2),
        ];
        using var flat = new FlatParameters(tensors, ParameterGroups.LoraPlus(16, weightDecay: 0.02));
        var group = flat.Buffers[0].Ranges.SelectMany(range => flat.Buffers[0].Slices
                .Where(slice => slice.Start >= range.Start && slice.Start < range.Start + range.Length)
                .Select(slice => (slice.Tensor.Name, Group: flat.Groups[range.Group])))
            .ToDictionary(pair => pair.Name, pair => pair.Group);
        tensors.Select(tensor => group[tensor.Name].Name).ShouldBe(["A", "B", "B without decay", "B", "B without decay", "embedding"]);
        group["q_proj.lora_B.weight"].LearningRateScale.ShouldBe(16);
        group["q_proj.lora_B.bias"].WeightDecay.ShouldBe(0);
        group["embed.lora_embedding_B"].LearningRate.ShouldBe(1e-6);
        group["q_proj.lora_A.weight"].WeightDecay.ShouldBe(0.02);
    }

    [Fact]
    public void Saved_state_continues_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        var start = randn(3, 4);
        var gradients = Enumerable.Range(0, 6).Select(_ => randn(3, 4)).ToArray();
        float[] Run(int breakAt)
        {
            var parameter = Trainables.Trainable("p", start.clone());
            var flat = new FlatParameters([parameter, Trainables.Trainable("q", 5)]);
            var optimizer = new FlatAdamW(flat, 0.01);
            for (var i = 0; i < gradients.Length; i++)
            {
                if (i == breakAt)
                {
                    var state = optimizer.GetState().ToDictionary(pair => pair.Key, pair => pair.Value.clone());
                    optimizer = new FlatAdamW(flat, 0.01);
                    optimizer.SetState(state);
                    optimizer.Steps.ShouldBe(breakAt);
                }
                parameter.SetGradient(gradients[i]);
                optimizer.Step();
            }
            return parameter.Value.Values<float>();
        }
        Run(3).ShouldBe(Run(-1));
    }

    [Fact]
    public void State_of_another_model_is_refused_by_name()
    {
        using var flat = new FlatParameters([Trainables.Trainable("p", 3)]);
        using var optimizer = new FlatAdamW(flat, 0.01);
        using var other = new FlatAdamW(new FlatParameters([Trainables.Trainable("p", 4)]), 0.01);
        Should.Throw<TrainingException>(() => optimizer.SetState(other.GetState())).Message.ShouldContain("exp_avg.p");
    }

    [Fact]
    public void Wrong_settings_are_all_named_with_their_values()
    {
        using var flat = new FlatParameters([Trainables.Trainable("p", 3)]);
        var message = Should.Throw<ArgumentException>(() => new FlatAdamW(flat, -1, new() { Beta1 = 1, Epsilon = 0 })).Message;
        message.ShouldContain("Beta1 must be at least 0 and below 1, but was 1");
        message.ShouldContain("Epsilon must be above 0, but was 0");
        message.ShouldContain("LearningRate must be at least 0, but was -1");
    }

    [Fact]
    public void A_step_takes_the_same_handful_of_native_tensors_whatever_the_number_of_parameters()
    {
        long Created(int count)
        {
            using var flat = new FlatParameters(Enumerable.Range(0, count).Select(i => Trainables.Trainable($"t{i}", 4, 4)));
            using var optimizer = new FlatAdamW(flat, 0.01);
            var before = TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.CreatedInScopeCount;
            optimizer.Step();
            return TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.CreatedInScopeCount - before;
        }
        Created(200).ShouldBe(Created(2));
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void Sixteen_bit_parameters_learn_and_keep_their_type(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var parameter = Trainables.Trainable("p", ones(8, 8, dtype: dtype));
        using var flat = new FlatParameters([parameter, Trainables.Trainable("q", ones(3, dtype: dtype))]);
        using var optimizer = new FlatAdamW(flat, 0.1, new() { Epsilon = 1e-6 });   // 1e-8 is 0 in float16
        for (var step = 0; step < 5; step++)
        {
            flat.ZeroGradients();
            parameter.Value.square().sum().backward();
            flat.BindGradients().ShouldBeEmpty();
            optimizer.Step();
        }
        parameter.Value.dtype.ShouldBe(dtype);
        parameter.Value.to_type(ScalarType.Float32).mean().item<float>().ShouldBe(0.5f, 0.02f);   // five steps of length 0.1, eight bits of precision
        flat.GradientNorm().dtype.ShouldBe(ScalarType.Float32);
    }

    [Fact]
    public void A_large_float16_gradient_has_a_finite_norm()
    {
        using var scope = NewDisposeScope();
        var parameter = Trainables.Trainable("p", zeros(100, dtype: ScalarType.Float16));
        using var flat = new FlatParameters([parameter]);
        parameter.SetGradient(full(100, 60_000f, dtype: ScalarType.Float16));
        flat.GradientNorm().item<float>().ShouldBe(600_000f, 500f);   // 60,000 is 59,968 or 60,000 in float16
    }
}
