using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

/// <summary>Every optimizer against its paper's formula, computed here in doubles, one element after the other.</summary>
public sealed class OptimizerTests : IDisposable
{
    private const int Rows = 3, Columns = 5, Count = 4;
    private const double Rate = 0.05, Decay = 0.1;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly double[] start = Values(1, Rows * Columns);
    private readonly double[][] gradients = [.. Enumerable.Range(0, Count).Select(step => Values(10 + step, Rows * Columns))];

    public static TheoryData<string, FlatOptimizerOptions> Optimizers => new()
    {
        { "AdamW", new AdamWOptions { WeightDecay = Decay } }, { "SGD", new SgdOptions { WeightDecay = Decay } }, { "Lion", new LionOptions { WeightDecay = Decay } },
        { "Adafactor", new AdafactorOptions { WeightDecay = Decay } }, { "Adam-mini", new AdamMiniOptions { WeightDecay = Decay } }, { "Muon", new MuonOptions { WeightDecay = Decay } },
        { "GaLore", new GaLoreOptions { Rank = 2, UpdateInterval = 3, WeightDecay = Decay } }, { "APOLLO", new ApolloOptions { Rank = 2, UpdateInterval = 3, WeightDecay = Decay } },
        { "schedule-free", new ScheduleFreeAdamWOptions { WeightDecay = Decay } }, { "LISA", new LayerwiseOptions { Interval = 3 } }, { "BAdam", new LayerwiseOptions { Order = LayerOrder.Cyclic, Interval = 3 } },
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Sgd(bool nesterov)
    {
        var (x, v) = (Copy(start), new double[start.Length]);
        foreach (var g in gradients)
            for (var i = 0; i < x.Length; i++)
            {
                v[i] = 0.9 * v[i] + g[i];
                x[i] = x[i] * (1 - Rate * Decay) - Rate * (nesterov ? g[i] + 0.9 * v[i] : v[i]);
            }
        ShouldGive(new SgdOptions { Nesterov = nesterov, WeightDecay = Decay }, x);
    }

    [Fact]
    public void Lion()
    {
        var (x, m) = (Copy(start), new double[start.Length]);
        foreach (var g in gradients)
            for (var i = 0; i < x.Length; i++)
            {
                x[i] = x[i] * (1 - Rate * Decay) - Rate * Math.Sign(0.9 * m[i] + 0.1 * g[i]);
                m[i] = 0.99 * m[i] + 0.01 * g[i];
            }
        ShouldGive(new LionOptions { WeightDecay = Decay }, x);
    }

    [Fact]
    public void Adafactor()
    {
        var x = Copy(start);
        var (row, column) = (new double[Rows], new double[Columns]);
        for (var step = 1; step <= Count; step++)
        {
            var g = gradients[step - 1];
            var keep = 1 - Math.Pow(step, -0.8);
            for (var r = 0; r < Rows; r++) row[r] = keep * row[r] + (1 - keep) * Enumerable.Range(0, Columns).Average(c => g[r * Columns + c] * g[r * Columns + c] + 1e-30);
            for (var c = 0; c < Columns; c++) column[c] = keep * column[c] + (1 - keep) * Enumerable.Range(0, Rows).Average(r => g[r * Columns + c] * g[r * Columns + c] + 1e-30);
            var u = x.Select((_, i) => g[i] / Math.Sqrt(row[i / Columns] * column[i % Columns] / row.Average())).ToArray();
            var clip = Math.Max(1, Rms(u));
            var rate = Rate * Math.Max(1e-3, Rms(x));
            for (var i = 0; i < x.Length; i++) x[i] = x[i] * (1 - rate * Decay) - rate * u[i] / clip;
        }
        ShouldGive(new AdafactorOptions { WeightDecay = Decay }, x);
    }

    [Fact]
    public void Adam_mini()
    {
        var (x, m, v) = (Copy(start), new double[start.Length], new double[Rows]);
        for (var step = 1; step <= Count; step++)
        {
            var g = gradients[step - 1];
            for (var r = 0; r < Rows; r++) v[r] = 0.999 * v[r] + 0.001 * Enumerable.Range(0, Columns).Average(c => g[r * Columns + c] * g[r * Columns + c]);
            for (var i = 0; i < x.Length; i++)
            {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                x[i] = x[i] * (1 - Rate * Decay) - Rate * m[i] / (1 - Math.Pow(0.9, step)) / (Math.Sqrt(v[i / Columns] / (1 - Math.Pow(0.999, step))) + 1e-8);
            }
        }
        ShouldGive(new AdamMiniOptions { WeightDecay = Decay }, x);
    }

    [Fact]
    public void Muon_gives_all_singular_values_about_1_and_keeps_the_singular_vectors()
    {
        var matrix = tensor(start, [Rows, Columns], dtype: ScalarType.Float64);
        var (u, s, vt) = linalg.svd(Peft.Muon.Orthogonalize(matrix, 5), fullMatrices: false);
        s.data<double>().ToArray().ShouldAllBe(value => value > 0.6 && value < 1.3);
        var (ownU, _, ownVt) = linalg.svd(matrix, fullMatrices: false);
        (u.matmul(vt) - ownU.matmul(ownVt)).abs().max().item<double>().ShouldBeLessThan(1e-6);
    }

    [Fact]
    public void Muon()
    {
        var (x, m) = (Copy(start), new double[start.Length]);
        foreach (var g in gradients)
        {
            for (var i = 0; i < x.Length; i++) m[i] = 0.95 * m[i] + 0.05 * g[i];
            var u = Peft.Muon.Orthogonalize(tensor(m.Select((mean, i) => 0.05 * g[i] + 0.95 * mean).ToArray(), [Rows, Columns]), 5).contiguous().data<double>().ToArray();
            for (var i = 0; i < x.Length; i++) x[i] = x[i] * (1 - Rate * Decay) - Rate * u[i];   // wider than tall: a scale of 1
        }
        ShouldGive(new MuonOptions { WeightDecay = Decay }, x);
    }

    [Fact]
    public void GaLore_of_the_whole_rank_less_one_is_Adam_in_the_space_of_the_leading_singular_vectors()
    {
        var (x, m, v) = (Copy(start), new double[2 * Columns], new double[2 * Columns]);
        double[] p = [];
        for (var step = 1; step <= Count; step++)
        {
            var g = gradients[step - 1];
            if (step is 1 or 4) p = linalg.svd(tensor(g, [Rows, Columns]), fullMatrices: false).U.narrow(1, 0, 2).contiguous().data<double>().ToArray();   // [rows, 2]
            var direction = new double[2 * Columns];
            for (var k = 0; k < 2; k++)
                for (var c = 0; c < Columns; c++)
                {
                    var low = Enumerable.Range(0, Rows).Sum(r => p[r * 2 + k] * g[r * Columns + c]);
                    var i = k * Columns + c;
                    m[i] = 0.9 * m[i] + 0.1 * low;
                    v[i] = 0.999 * v[i] + 0.001 * low * low;
                    direction[i] = m[i] / (1 - Math.Pow(0.9, step)) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, step))) + 1e-8);
                }
            for (var r = 0; r < Rows; r++)
                for (var c = 0; c < Columns; c++)
                    x[r * Columns + c] = x[r * Columns + c] * (1 - Rate * Decay) - Rate * 0.25 * (p[r * 2] * direction[c] + p[r * 2 + 1] * direction[Columns + c]);
        }
        ShouldGive(new GaLoreOptions { Rank = 2, UpdateInterval = 3, WeightDecay = Decay }, x, 1e-4);
    }

    [Fact]
    public void Apollo_scales_each_channel_of_the_gradient_and_limits_the_growth_of_its_norm()
    {
        using var parameter = Parameter();
        using var flat = new FlatParameters([new("w", parameter)]);
        using var optimizer = new ApolloOptions { Rank = 2, Beta1 = 0, Beta2 = 0 }.Create(flat, 1);
        double? before = null;
        foreach (var g in gradients)
        {
            var old = parameter.detach().clone();
            Give(parameter, g);
            optimizer.Step();
            var update = old - parameter;
            var ratio = update / tensor(g, [Rows, Columns]).to_type(ScalarType.Float32);
            (ratio - ratio[0]).abs().max().item<float>().ShouldBeLessThan(1e-3f * ratio.abs().max().item<float>());   // one factor for each column
            ratio.min().item<float>().ShouldBeGreaterThan(0);
            var norm = update.norm().item<float>();
            if (before is { } last) ((double)norm).ShouldBeLessThan(last * 1.0101);
            before = norm;
        }
    }

    [Fact]
    public void Schedule_free()
    {
        double[] z = Copy(start), x = Copy(start), y = Copy(start), v = new double[start.Length];
        for (var step = 1; step <= Count; step++)
        {
            var g = gradients[step - 1];
            for (var i = 0; i < x.Length; i++)
            {
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                var direction = g[i] / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, step))) + 1e-8) + Decay * y[i];
                z[i] -= Rate * direction;
                x[i] = (1 - 1.0 / step) * x[i] + z[i] / step;
                y[i] = 0.1 * z[i] + 0.9 * x[i];
            }
        }
        using var parameter = Parameter();
        using var flat = new FlatParameters([new("w", parameter)]);
        using var optimizer = new ScheduleFreeAdamWOptions { WeightDecay = Decay }.Create(flat, Rate);
        Run(optimizer, parameter);
        Compare(parameter, y, 1e-5);
        var trained = parameter.detach().clone();
        using (optimizer.BeginEvaluation()) Compare(parameter, x, 1e-5);
        parameter.detach().equal(trained).all().item<bool>().ShouldBeTrue();
    }

    [Theory]
    [InlineData(LayerOrder.Random)]
    [InlineData(LayerOrder.Cyclic)]
    public void Layers_by_turns(LayerOrder order)
    {
        string[] names = ["layers.0.w", "layers.1.w", "layers.2.w", "norm"];
        var parameters = names.Select(_ => Parameter()).ToList();
        using var flat = new FlatParameters(names.Zip(parameters, (name, parameter) => new TrainableTensor(name, parameter)));
        using var optimizer = new LayerwiseOptions { Order = order, Layers = 1, Interval = 2 }.Create(flat, Rate);
        var turns = new List<string>();
        for (var step = 0; step < 16; step++)
        {
            var before = parameters.Select(parameter => parameter.detach().clone()).ToList();
            foreach (var parameter in parameters) Give(parameter, gradients[step % Count]);
            optimizer.Step();
            turns.Add(string.Join(' ', names.Where((_, i) => !parameters[i].detach().equal(before[i]).all().item<bool>())));
            optimizer.GetState().Keys.Where(key => key.StartsWith("exp_avg.", StringComparison.Ordinal)).ShouldBe(turns[^1].Split(' ').Select(name => "exp_avg." + name), ignoreOrder: true);
        }
        for (var step = 0; step < 16; step += 2) turns[step + 1].ShouldBe(turns[step]);
        if (order == LayerOrder.Cyclic) turns.Where((_, step) => step % 2 == 0).ShouldBe(["layers.0.w", "layers.1.w", "layers.2.w", "norm", "layers.0.w", "layers.1.w", "layers.2.w", "norm"]);
        else
        {
            turns.ShouldAllBe(turn => turn.EndsWith(" norm", StringComparison.Ordinal) && turn.Split(' ').Length == 2);
            turns.Distinct().Count().ShouldBeGreaterThan(1);
        }
        foreach (var parameter in parameters) parameter.Dispose();
    }

    [Theory, MemberData(nameof(Optimizers))]
    public void A_restored_state_goes_on_to_the_same_bits(string name, FlatOptimizerOptions options)
    {
        name.ShouldNotBeEmpty();
        using var whole = Parameter();
        using var flat = new FlatParameters([new("layer.w", whole)]);
        using var optimizer = options.Create(flat, Rate);
        Run(optimizer, whole);
        Run(optimizer, whole);

        using var first = Parameter();
        using var firstFlat = new FlatParameters([new("layer.w", first)]);
        using var firstOptimizer = options.Create(firstFlat, Rate);
        Run(firstOptimizer, first);
        var state = firstOptimizer.GetState().ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        using var second = new Parameter(first.detach().clone());
        using var secondFlat = new FlatParameters([new("layer.w", second)]);
        using var secondOptimizer = options.Create(secondFlat, Rate);
        secondOptimizer.SetState(state);
        Run(secondOptimizer, second);
        second.detach().equal(whole.detach()).all().item<bool>().ShouldBeTrue();
    }

    [Theory, MemberData(nameof(Optimizers))]
    public void Training_with_it_lowers_the_loss_of_matrices_and_vectors(string name, FlatOptimizerOptions options)
    {
        manual_seed(3);
        var (inputs, targets) = (randn(32, 8), randn(32, 4));
        using var model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4));
        var trainer = new Trainer(new ModuleTrainable(model), TrainingDataset.From(inputs, targets), new TrainingOptions
        {
            MaxSteps = 60, BatchSize = 32, LearningRate = name is "Lion" or "Muon" ? 5e-3 : name == "APOLLO" ? 5e-2 : 2e-2, Schedule = LearningRateSchedule.Constant, Optimizer = options,
        })
        {
            Loss = batch => nn.functional.mse_loss(model.call(batch.InputIds), batch.Labels!),
        };
        var losses = trainer.Train().Losses;
        losses[^1].ShouldBeLessThan(losses[0] * 0.8);
    }

    public void Dispose() => scope.Dispose();

    private void ShouldGive(FlatOptimizerOptions options, double[] expected, double tolerance = 1e-5)
    {
        using var parameter = Parameter();
        using var flat = new FlatParameters([new("w", parameter)]);
        using var optimizer = options.Create(flat, Rate);
        Run(optimizer, parameter);
        Compare(parameter, expected, tolerance);
    }

    private void Run(FlatOptimizer optimizer, Parameter parameter)
    {
        foreach (var g in gradients)
        {
            Give(parameter, g);
            optimizer.Step();
        }
    }

    private static void Give(Parameter parameter, double[] gradient)
    {
        using var _ = no_grad();
        parameter.grad!.copy_(tensor(gradient, [Rows, Columns]));
    }

    private Parameter Parameter() => new(tensor(start, [Rows, Columns]).to_type(ScalarType.Float32));

    private static void Compare(Tensor actual, double[] expected, double tolerance)
        => (actual.detach().to_type(ScalarType.Float64) - tensor(expected, [Rows, Columns])).abs().max().item<double>().ShouldBeLessThan(tolerance);

    private static double[] Copy(double[] values) => [.. values];

    private static double Rms(double[] values) => Math.Sqrt(values.Average(value => value * value));

    private static double[] Values(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextDouble() * 2 - 1)];
    }
}
