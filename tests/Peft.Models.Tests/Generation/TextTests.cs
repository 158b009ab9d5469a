namespace Peft.Models.Tests;

public class TextTests
{
    private static readonly string[] Prompts = ["Once upon a time", "Tim had a red"];
    private static readonly Tokenizer Words = Tokenizer.FromPretrained(Reference.Stories);

    public static TheoryData<int> Beams => [1, 3];

    [Theory, MemberData(nameof(Beams))]
    public void Texts_in_a_batch_end_at_their_own_stop_strings_as_each_alone(int beams)
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var options = new GenerationOptions { MaxNewTokens = 40, NumBeams = beams, StopStrings = [".", " and"] };

        var together = model.Generate(Prompts, Words, options);

        together.ShouldBe(Prompts.Select(prompt => model.Generate(prompt, Words, options)));
        foreach (var text in together)
        {
            text.ShouldNotBeEmpty();
            text.ShouldNotContain(".");
            text.ShouldNotContain(" and");
        }
    }

    [Fact]
    public void A_stop_string_ends_the_likeliest_text_where_it_first_comes()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var options = new GenerationOptions { MaxNewTokens = 40 };
        var free = model.Generate(Prompts[0], Words, options);
        model.Generate(Prompts[0], Words, options with { StopStrings = ["."] }).ShouldBe(free[..free.IndexOf('.', StringComparison.Ordinal)]);
        string.Concat(model.GenerateText(Prompts[0], Words, options with { StopStrings = ["."] })).ShouldBe(free[..free.IndexOf('.', StringComparison.Ordinal)]);
    }

    [Fact]
    public void Several_texts_of_a_prompt_come_one_after_another()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var drawn = model.Generate(Prompts, Words, new GenerationOptions { MaxNewTokens = 20, DoSample = true, NumReturnSequences = 3, Seed = 2 });
        drawn.Count.ShouldBe(6);
        drawn.Distinct().Count().ShouldBe(6);
        model.Generate(Prompts, Words, new GenerationOptions { MaxNewTokens = 20, NumBeams = 4, NumReturnSequences = 4 }).Count.ShouldBe(8);
    }

    [Fact]
    public void Stop_strings_without_a_tokenizer_are_refused()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var options = new GenerationOptions { StopStrings = ["."] };
        Should.Throw<ArgumentException>(() => model.Generate([1], options)).Message.ShouldContain("StopStrings need a tokenizer");
        Should.Throw<ArgumentException>(() => model.GenerateTokens([1], options)).Message.ShouldContain("StopStrings need a tokenizer");
    }
}
