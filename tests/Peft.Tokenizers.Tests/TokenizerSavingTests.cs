namespace Peft.Tokenizers.Tests;

public sealed class TokenizerSavingTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft").FullName;

    public void Dispose() => Directory.Delete(folder, true);

    private static string Source(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", name);

    [Theory]
    [InlineData("gpt2-bytelevel-bpe")]
    [InlineData("bert-wordpiece")]
    [InlineData("stories260K")]
    public void The_files_are_those_that_were_read(string name)
    {
        Tokenizer.FromPretrained(Source(name)).Save(folder);
        foreach (var path in Directory.GetFiles(folder)) File.ReadAllBytes(path).ShouldBe(File.ReadAllBytes(Path.Combine(Source(name), Path.GetFileName(path))));
        var text = "Once upon a time, it's \u00e9t\u00e9 <s>";
        Tokenizer.FromPretrained(folder).Encode(text).ShouldBe(Tokenizer.FromPretrained(Source(name)).Encode(text));
    }

    [Theory]
    [InlineData("gpt2-bytelevel-bpe")]
    [InlineData("t5-unigram")]
    public void Added_tokens_are_saved_with_their_ids_and_rules(string name)
    {
        var tokenizer = Tokenizer.FromPretrained(Source(name));
        tokenizer.AddTokens(["<tool>"], special: true).ShouldBe(1);
        tokenizer.AddTokens([new AddedToken("\u00fcber") { SingleWord = true }, new AddedToken("[x]") { StripLeft = true, Normalized = true }]);
        tokenizer.Save(folder);
        var again = Tokenizer.FromPretrained(folder);
        again.VocabularySize.ShouldBe(tokenizer.VocabularySize);
        foreach (var text in new[] { "a <tool> \u00fcber und \u00fcberall   [x] y", "plain text" })
        {
            again.Encode(text).ShouldBe(tokenizer.Encode(text));
            again.Decode(again.Encode(text)).ShouldBe(tokenizer.Decode(tokenizer.Encode(text)));
        }
        again.Save(folder);   // onto the files that it was read from
        Tokenizer.FromPretrained(folder).TokenToId("<tool>").ShouldBe(tokenizer.TokenToId("<tool>"));
    }

    [Fact]
    public void Files_that_are_gone_are_named()
    {
        Directory.CreateDirectory(Path.Combine(folder, "a"));
        File.Copy(Path.Combine(Source("t5-unigram"), "tokenizer.json"), Path.Combine(folder, "a", "tokenizer.json"));
        var tokenizer = Tokenizer.FromPretrained(Path.Combine(folder, "a"));
        File.Delete(Path.Combine(folder, "a", "tokenizer.json"));
        Should.Throw<TokenizerException>(() => tokenizer.Save(Path.Combine(folder, "b"))).Message.ShouldContain("tokenizer.json");
    }
}
