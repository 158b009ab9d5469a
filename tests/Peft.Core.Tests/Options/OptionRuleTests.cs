namespace Peft.Core.Tests.Options;

/// <summary>Values that break the rule of their property are refused, each in a sentence with its name and value.</summary>
public sealed class OptionRuleTests
{
    private enum Letter { A, B, C }

    private sealed record RuledOptions() : AdapterOptions("RULED")
    {
        [AtLeast(1)] public int Count { get; init; } = 1;
        [AtLeast(0)] public double Weight { get; init; }
        [AtLeast(1)] public int? Maybe { get; init; }
        [Above(0)] public double Scale { get; init; } = 1;
        [Between(0, 1)] public double Share { get; init; } = 1;
        [Probability] public double Dropout { get; init; }
        [NotZero, Finite] public double Alpha { get; init; } = -1;
        [OneOf("a", "b", null)] public string? Choice { get; init; }
        [OneOf("only")] public string Single { get; init; } = "only";
        [AtLeast(1)] public IReadOnlyDictionary<string, int>? Counts { get; init; } = new Dictionary<string, int> { ["fine"] = 1 };
        [Above(0)] public IReadOnlyDictionary<string, double>? Scales { get; init; }
        public Letter Letter { get; init; }

        protected internal override IEnumerable<string> Errors() => Count > 100 ? ["Count is more than anyone needs."] : [];

        protected internal override AdapterPlan Plan(ModelTree model) => throw new NotSupportedException();
    }

    private static readonly Dictionary<string, RuledOptions> Broken = new()
    {
        ["Count must be at least 1, but was 0."] = new() { Count = 0 },
        ["Weight must not be negative, but was -0.5."] = new() { Weight = -0.5 },
        ["Weight must not be negative, but was NaN."] = new() { Weight = double.NaN },
        ["Maybe must be at least 1, but was -3."] = new() { Maybe = -3 },
        ["Scale must be above 0, but was 0."] = new() { Scale = 0 },
        ["Scale must be above 0, but was NaN."] = new() { Scale = double.NaN },
        ["Share must be between 0 and 1, but was 1.5."] = new() { Share = 1.5 },
        ["Share must be between 0 and 1, but was NaN."] = new() { Share = double.NaN },
        ["Dropout must be at least 0 and below 1, but was 1."] = new() { Dropout = 1 },
        ["Dropout must be at least 0 and below 1, but was NaN."] = new() { Dropout = double.NaN },
        ["Alpha must not be 0."] = new() { Alpha = 0 },
        ["Alpha must be a number, but was Infinity."] = new() { Alpha = double.PositiveInfinity },
        ["Choice must be 'a', 'b' or null, but was 'c'."] = new() { Choice = "c" },
        ["Single must be 'only', but was 'other'."] = new() { Single = "other" },
        ["Counts['x'] must be at least 1, but was 0."] = new() { Counts = new Dictionary<string, int> { ["fine"] = 2, ["x"] = 0 } },
        ["Scales['y'] must be above 0, but was -1."] = new() { Scales = new Dictionary<string, double> { ["y"] = -1 } },
        ["Letter must be A, B or C, but was 7."] = new() { Letter = (Letter)7 },
        ["Count is more than anyone needs."] = new() { Count = 101 },
    };

    public static TheoryData<string> Errors => [.. Broken.Keys];

    [Theory, MemberData(nameof(Errors))]
    public void A_value_that_breaks_its_rule_is_named(string error)
        => Should.Throw<AdapterOptionsException>(Broken[error].Validate).Message.ShouldBe($"RuledOptions: {error}");

    [Fact]
    public void Values_within_their_rules_and_nulls_that_are_allowed_are_valid()
    {
        new RuledOptions().Validate();
        new RuledOptions { Maybe = 1, Choice = "b", Counts = null, Share = 0, Dropout = 0.99, Letter = Letter.C }.Validate();
    }

    [Fact]
    public void Several_errors_are_listed_together()
        => Should.Throw<AdapterOptionsException>(new RuledOptions { Count = 0, Dropout = 2 }.Validate).Message
            .ShouldBe("RuledOptions: Count must be at least 1, but was 0. Dropout must be at least 0 and below 1, but was 2.");

    [Fact]
    public void Parts_of_a_union_are_checked_too()
        => Should.Throw<AdapterOptionsException>(new UnionOptions { Parts = [new RuledOptions { Count = 0 }] }.Validate).Message.ShouldContain("RULED: Count must be at least 1, but was 0.");
}
