namespace Peft.Adapters;

/// <summary>
/// The projections of compacters (Mahabadi et al. 2021, arXiv:2106.04647): x·H + b with H = Σᵢ Aᵢ ⊗ Wᵢ <c>[in, out]</c>, n rules Aᵢ
/// <c>[n, n]</c> and n low-rank factors Wᵢ <c>[in/n, out/n]</c>.
/// </summary>
internal static class Hypercomplex
{
    /// <summary>H from rules <c>[n, n, n]</c> and factors <c>[n, in/n, out/n]</c>.</summary>
    public static Tensor Sum(Tensor rules, Tensor factors)
    {
        var (n, inputs, outputs) = (rules.size(0), factors.size(1), factors.size(2));
        var products = rules.reshape(n, -1).t().mm(factors.reshape(n, -1));   // [n·n, in/n · out/n]
        return products.view(n, n, inputs, outputs).transpose(1, 2).reshape(n * inputs, n * outputs);
    }

    /// <summary>Registers the rules under their names and returns a function that computes them, <c>[n, n, n]</c>.</summary>
    public static Func<Tensor> Rules(BottleneckOptions options, double deviation, double bound, Func<long[], Tensor> zeros, Func<string, Tensor, Parameter> register)
    {
        var n = (long)options.HypercomplexSize;
        if (!options.FactorizesRule)
        {
            var rule = register("phm_rule", Start(n, n, n));
            return () => rule;
        }
        var (left, right) = (register("phm_rule_left", Start(n, n, 1)), register("phm_rule_right", Start(n, 1, n)));
        return () => left.bmm(right);

        Tensor Start(params long[] shape) => options.RuleInitialization == "normal" ? zeros(shape).normal_(0, deviation) : zeros(shape).uniform_(-bound, bound);
    }

    /// <summary>Registers the factors under their names and returns a function that computes them, <c>[n, in/n, out/n]</c>.</summary>
    public static Func<Tensor> Factors(BottleneckOptions options, string name, long inputs, long outputs, Target target, Func<long[], Tensor> zeros, Func<string, Tensor, Parameter> register)
    {
        var (n, rank) = ((long)options.HypercomplexSize, (long)options.HypercomplexRank);
        if (inputs % n != 0 || outputs % n != 0)
            throw new AdapterOptionsException($"HypercomplexSize {n} must divide the widths of the projections, but at {target.Path} they are {inputs} and {outputs}. Change HypercomplexSize or ReductionFactor.");
        if (!options.FactorizesWeights)
        {
            var whole = register(name, Glorot(n, inputs / n, outputs / n));
            return () => whole;
        }
        var (left, right) = (register($"{name}_left", Glorot(n, inputs / n, rank)), register($"{name}_right", Glorot(n, rank, outputs / n)));
        return () => left.bmm(right);

        Tensor Glorot(params long[] shape) => zeros(shape).normal_(0, Math.Sqrt(2.0 / (shape[1] + shape[2])));
    }
}
