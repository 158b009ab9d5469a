using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>The base models without adapters, as transformers computes them.</summary>
public class BaseTests
{
    public static TheoryData<string> Bases => [.. Oracle.Bases];

    public static TheoryData<string> Generating => [.. Oracle.Bases.Where(name =>
    {
        using var expected = new Expected(Oracle.Base(name));
        return expected.Has("generated_ids");
    })];

    [Theory, MemberData(nameof(Bases))]
    public void Logits_and_loss_of_a_base_model(string name)
    {
        using var scope = NewDisposeScope();
        using var model = AdaptedCase.LoadBase(name);
        using var expected = new Expected(Oracle.Base(name));
        expected.ShouldEqual("base_logits", AdaptedCase.Logits(model, expected));
        expected.ShouldEqual("base_loss", model.Loss(AdaptedCase.Batch(expected)).reshape(1));
    }

    [Theory, MemberData(nameof(Generating))]
    public void Greedy_generation_of_a_base_model(string name)
    {
        using var scope = NewDisposeScope();
        using var model = (LanguageModel)AdaptedCase.LoadBase(name);
        using var expected = new Expected(Oracle.Base(name));
        int[] all = [.. expected.Read("generated_ids").data<long>().Select(id => (int)id)];
        int[] prompt = [.. expected.Read("input_ids")[0].data<long>().Select(id => (int)id)];
        model.Generate(prompt, new GenerationOptions { MaxNewTokens = 12, MinNewTokens = 12 }).ShouldBe(all[^12..]);
    }
}
