using static Peft.Behaviour.Tests.SmallModel;

namespace Peft.Behaviour.Tests;

public sealed class OptionTests : BehaviourTests
{
    // One field of bottleneck adapters is kept for its readers and has no effect; texts, paths and names of modules may be anything.
    public static TheoryData<string, string> EveryChoice
        => OptionFields.Where(option => (option.IsEnum || option.Is(typeof(string))) && option.Name is not ("hypercomplex_nonlinearity" or "target_modules")
            && !option.Name.EndsWith("_text", StringComparison.Ordinal) && !option.Name.EndsWith("_path", StringComparison.Ordinal));

    [Theory, MemberData(nameof(EveryChoice))]
    public void A_choice_that_does_not_exist_is_refused(string method, string option)
    {
        using var model = Create();
        Should.Throw<PeftException>(() => model.Adapt(method, options: Sample.Of(method).Options.With(option, "no such choice"))).Message.ShouldContain("no such choice");
    }

    // Seeds and strengths may be any number, and LoKr's factor is -1 where it is to be found.
    public static TheoryData<string, string> EveryNumber
        => OptionFields.Where(option => option.Is(typeof(int)) && !option.Name.Contains("seed", StringComparison.Ordinal) && !option.Name.EndsWith("key", StringComparison.Ordinal) && option.Name is not ("alpha" or "decompose_factor"));

    [Theory, MemberData(nameof(EveryNumber))]
    public void A_count_below_zero_is_refused(string method, string option)
    {
        using var model = Create();
        Should.Throw<PeftException>(() => model.Adapt(method, options: Sample.Of(method).Options.With(option, -1))).Message.ShouldContain("-1");
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void A_file_that_names_its_method_alone_has_all_defaults(string method)
        => AdapterConfig.Write(AdapterConfig.Parse($$"""{"peft_type": "{{method}}"}""")).ShouldBe(AdapterConfig.Write((AdapterOptions)Activator.CreateInstance(AdapterMethods.Known[method])!));
}
