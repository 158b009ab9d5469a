namespace Peft.Lora;

/// <summary>
/// X-LoRA at a module (Buehler and Buehler 2024, arXiv:2402.07148): y = W·x + g·Σₑ λₑ·sₑ·Bₑ·Aₑ·x with the experts' factors, Aₑ <c>[rank, in]</c> and
/// Bₑ <c>[out, rank]</c>, and their mixture weights λ at each position.
/// </summary>
internal sealed class XLoraLayer : TransformLayer, IActsInPreliminaryPass
{
    private readonly (int Number, Parameter A, Parameter B)[] factors;
    private readonly XLoraOptions options;
    private readonly XLoraMixture mixture;
    private readonly int number;

    public XLoraLayer(Target target, XLoraOptions options, XLoraMixture mixture, int number, IReadOnlyList<(int Expert, Tensor A, Tensor B)> initial) : base(target)
    {
        (this.options, this.mixture, this.number) = (options, mixture, number);
        factors = [.. initial.Select(each => (each.Expert, Keep(each.Expert, "A", each.A), Keep(each.Expert, "B", each.B)))];
    }

    public bool ActsInPreliminaryPass => options.FirstPassWeight != 0;

    /// <summary>An expert's factors by the keys in its own file; empty if it does not adapt this module.</summary>
    public IEnumerable<(string Key, Tensor Value)> FactorsOf(int expert)
        => factors.Where(each => each.Number == expert).SelectMany(each => new[] { (Key("A"), each.A.detach()), (Key("B"), each.B.detach()) });

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        var weights = mixture.MixtureWeights(Target, number, output);
        foreach (var (expert, a, b) in factors)
        {
            var lora = mixture.Experts[expert].Options;
            var x = Target.IsLookup ? input : nn.functional.dropout(input, lora.Dropout, Training);
            var change = Target.ApplyFactors(x, a, b).mul(Constant(lora.ScalingAt(Target.Path) * options.GlobalScaling));
            output = output.add(change.mul(weights.narrow(-1, expert, 1)), One);
        }
        return output;
    }

    private Parameter Keep(int expert, string letter, Tensor value)
    {
        var name = $"experts.{mixture.Experts[expert].Name}.{Target.FactorName("lora", letter, ".weight")}";
        return options.TrainsExperts ? Trainable(name, value, saved: false) : Frozen(name, value, saved: false);
    }

    private string Key(string letter) => Adapter.KeyOf(Target, Target.FactorName("lora", letter, ".weight"));
}
