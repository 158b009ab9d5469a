using System.Text;

namespace Peft.Tokenizers.Tests.Limits;

public sealed class TokenizerLimitTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-limits-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Forty_doublings_of_a_text_are_stopped_when_encoding_and_when_decoding()
    {
        var double40 = string.Join(',', Enumerable.Repeat("""{"type":"Replace","pattern":{"String":"a"},"content":"aa"}""", 40));
        var normalizer = Load($$$"""{{{Words}}},"normalizer":{"type":"Sequence","normalizers":[{{{double40}}}]}}""");
        Refused(() => normalizer.Encode("a"), nameof(ResourceLimits.MaxTextGrowth));
        var decoder = Load($$$"""{{{Words}}},"decoder":{"type":"Sequence","decoders":[{{{double40}}}]}}""");
        Refused(() => decoder.Decode([0]), nameof(ResourceLimits.MaxTextGrowth));
        var bytes90 = string.Join(',', Enumerable.Repeat("""{"type":"ByteLevel"}""", 90));
        var spelled = Load($$$"""{{{Words}}},"normalizer":{"type":"Sequence","normalizers":[{{{bytes90}}}]}}""");
        Refused(() => spelled.Encode("é"), nameof(ResourceLimits.MaxTextGrowth));
    }

    [Theory]
    [InlineData("(a+)+$")]
    [InlineData("(a|aa)+$")]
    [InlineData("(.*)*x")]
    [InlineData("([a-z]+)*0")]
    public void Expressions_that_do_not_end_are_stopped(string pattern)
    {
        var limits = new ResourceLimits { MaxPatternTime = TimeSpan.FromMilliseconds(100) };
        var tokenizer = Load($$$"""{{{Words}}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"{{{pattern}}}"},"behavior":"Isolated","invert":false}}""", limits);
        // Many such texts have the time of one, not each its own.
        Refused(() => tokenizer.Encode(string.Concat(Enumerable.Repeat(new string('a', 40) + "! ", 1000))), nameof(ResourceLimits.MaxPatternTime));
    }

    [Fact]
    public void Expressions_too_long_or_nested_too_deeply_are_refused()
    {
        Refused(() => Load($$$"""{{{Words}}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"{{{new string('a', 5000)}}}"},"behavior":"Isolated"}}"""), nameof(ResourceLimits.MaxPatternLength));
        var limits = new ResourceLimits { MaxPatternLength = int.MaxValue };
        foreach (var open in new[] { "[", "(", "(?:", "(?=" })
            Cost.Of(() => Load($$$"""{{{Words}}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"{{{string.Concat(Enumerable.Repeat(open, 20_000))}}}"},"behavior":"Isolated"}}""", limits), () => open).ShouldBeOfType<TokenizerException>();
    }

    [Fact]
    public void A_hundred_thousand_added_tokens_are_found_among_a_million_characters()
    {
        var tokens = string.Join(',', Enumerable.Range(0, 100_000).Select(i => $$$"""{"id":{{{i + 2}}},"content":"<|{{{i}}}|>","special":{{{(i % 2 == 0 ? "true" : "false")}}},"normalized":{{{(i % 2 == 0 ? "false" : "true")}}}}"""));
        Tokenizer? tokenizer = null;
        Cost.Of(() => tokenizer = Load($$$"""{{{Words}}},"added_tokens":[{{{tokens}}}]}"""), () => "load").ShouldBeNull();
        Cost.Of(() => tokenizer!.Encode(new string('<', 1_000_000)), () => "encode").ShouldBeNull();
        tokenizer!.Encode("<|7|><|77777|><|99999|><|8").ShouldBe([9, 77779, 100_001, 1]);
        Refused(() => Load($$$"""{{{Words}}},"added_tokens":[{{{tokens}}}]}""", new() { MaxTokens = 99_999 }), nameof(ResourceLimits.MaxTokens));
    }

    [Fact]
    public void Spaces_around_added_tokens_do_not_take_quadratic_time()
    {
        foreach (var token in new[] { " ", "a" })
        {
            var tokenizer = Load($$$"""{{{Words}}},"added_tokens":[{"id":2,"content":"{{{token}}}","lstrip":true,"rstrip":true,"normalized":false}]}""");
            Cost.Of(() => tokenizer.Encode(new string(' ', 4_000_000) + "a"), () => token);
        }
    }

    [Fact]
    public void A_word_without_end_takes_time_in_proportion()
    {
        var word = new string('a', 1_000_000) + "b";
        const string vocabulary = "\"vocab\":{\"[UNK]\":0,\"a\":1,\"##a\":2,\"##aa\":3,\"b\":4,\"aa\":5,\"aaaa\":6,\"##b\":7}";
        var piece = Load($$$"""{"model":{"type":"WordPiece",{{{vocabulary}}},"unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":1000000000}}""");
        Cost.Of(() => piece.Encode(word), () => "WordPiece").ShouldBeNull();
        piece.Encode("aaaaab").ShouldBe([6, 2, 7]);
        piece.Encode("ac").ShouldBe([0]);
        var pairs = Load($$$"""{"model":{"type":"BPE",{{{vocabulary}}},"merges":["a a","aa aa"]}}""");
        Cost.Of(() => pairs.Encode(word), () => "BPE").ShouldBeNull();
        var unigram = Load("""{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-2],["aa",-3],["b",-2]]}}""");
        Cost.Of(() => unigram.Encode(word), () => "Unigram").ShouldBeNull();
    }

    [Fact]
    public void Files_vocabularies_and_parts_beyond_a_limit_are_refused_by_its_name()
    {
        const string three = """{"model":{"type":"WordLevel","vocab":{"a":0,"bb":1,"ccc":2},"unk_token":"a"}""";
        foreach (var (limits, name) in new (ResourceLimits, string)[]
        {
            (new() { MaxTokenizerBytes = 20 }, nameof(ResourceLimits.MaxTokenizerBytes)), (new() { MaxTokens = 2 }, nameof(ResourceLimits.MaxTokens)),
            (new() { MaxTokenLength = 2 }, nameof(ResourceLimits.MaxTokenLength)), (new() { MaxVocabularyCharacters = 5 }, nameof(ResourceLimits.MaxVocabularyCharacters)),
            (new() { MaxTokenizerParts = 1 }, nameof(ResourceLimits.MaxTokenizerParts)), (new() { MaxTemplateEntries = 2 }, nameof(ResourceLimits.MaxTemplateEntries)),
        })
        {
            const string parts = ""","normalizer":{"type":"Lowercase"},"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{}}}""";
            Load(three + parts).Encode("a").ShouldBe([0, 0, 0]);
            Refused(() => Load(three + parts, limits), name);
        }
        Refused(() => Load("""{"model":{"type":"BPE","vocab":{"a":0,"aa":1},"merges":["a a","a a","a a"]}}""", new() { MaxTokens = 2 }), nameof(ResourceLimits.MaxTokens));
        Refused(() => Tokenizer.FromFile(Path.Combine(AppContext.BaseDirectory, "Data", "sentencepiece", "bpe.model"), new() { MaxTokens = 2 }), nameof(ResourceLimits.MaxTokens));
        Refused(() => Tokenizer.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", "stories260K"), new() { Limits = new() { MaxTokens = 2 } }), nameof(ResourceLimits.MaxTokens));
    }

    private const string Words = """{"model":{"type":"WordLevel","vocab":{"a":0,"[UNK]":1},"unk_token":"[UNK]"}""";

    private Tokenizer Load(string json, ResourceLimits? limits = null)
    {
        var file = Path.Combine(folder, "tokenizer.json");
        File.WriteAllText(file, json, new UTF8Encoding(false));
        return Tokenizer.FromFile(file, limits);
    }

    private static void Refused(Action run, string limit)
    {
        var message = Cost.Of(run, () => limit).ShouldBeOfType<TokenizerException>().Message;
        message.ShouldContain($"{nameof(ResourceLimits)}.{limit} is ");
        message.ShouldContain("raise it in ");
    }
}
