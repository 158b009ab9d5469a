namespace Peft.Tokenizers.Tests;

public class AddedTokenTests
{
    private static Tokenizer Fresh() => Tokenizer.FromPretrained(Expected.Folder("llama3-qwen-bpe"));

    [Fact]
    public void New_tokens_get_the_next_ids_and_known_ones_keep_theirs()
    {
        var tokenizer = Fresh();
        var size = tokenizer.VocabularySize;
        tokenizer.AddTokens(["<tool>", "<|im_end|>", "</tool>"], special: true).ShouldBe(2);
        tokenizer.TokenToId("<tool>").ShouldBe(size);
        tokenizer.TokenToId("</tool>").ShouldBe(size + 1);
        tokenizer.TokenToId("<|im_end|>").ShouldBe(2);
        tokenizer.VocabularySize.ShouldBe(size + 2);
        tokenizer.IdToToken(size).ShouldBe("<tool>");
        tokenizer.AddTokens(["<tool>"], special: true).ShouldBe(0);
    }

    [Fact]
    public void Special_tokens_are_left_out_on_request_and_regular_ones_never()
    {
        var tokenizer = Fresh();
        tokenizer.AddTokens(["<tool>"], special: true);
        tokenizer.AddTokens(["<word>"]);
        var ids = tokenizer.Encode("a<tool>b<word>c", addSpecialTokens: false);
        tokenizer.Decode(ids).ShouldBe("ab<word>c");
        tokenizer.Decode(ids, skipSpecialTokens: false).ShouldBe("a<tool>b<word>c");
    }

    [Fact]
    public void The_rules_of_a_token_decide_where_it_is_found()
    {
        var tokenizer = Fresh();
        tokenizer.AddTokens([
            new AddedToken("[L]") { StripLeft = true },
            new AddedToken("[R]") { StripRight = true },
            new AddedToken("it") { SingleWord = true },
        ]);
        var encoding = tokenizer.Encode("a  [L] b [R]  c it item", new EncodeOptions { AddSpecialTokens = false });
        encoding.Tokens.ShouldContain("  [L]");
        encoding.Tokens.ShouldContain("[R]  ");
        encoding.Tokens.Count(token => token == "it").ShouldBe(1);
        encoding.Offsets[encoding.Tokens.ToList().IndexOf("it")].ShouldBe((16, 18));
    }

    [Fact]
    public void The_longest_of_several_tokens_wins()
    {
        var tokenizer = Fresh();
        tokenizer.AddTokens(["<a>", "<a><b>"], special: true);
        tokenizer.Encode("<a><b><a>", addSpecialTokens: false).ShouldBe([tokenizer.TokenToId("<a><b>")!.Value, tokenizer.TokenToId("<a>")!.Value]);
    }

    [Fact]
    public void Ids_of_roles_come_from_the_config()
    {
        var roberta = Expected.Tokenizer("roberta-bytelevel-bpe");
        roberta.BeginOfSequenceId.ShouldBe(0);
        roberta.PadId.ShouldBe(1);
        roberta.EndOfSequenceId.ShouldBe(2);
        roberta.MaskId.ShouldBe(4);
        Expected.Tokenizer("gpt2-bytelevel-bpe").PadId.ShouldBeNull();
        Expected.Tokenizer("stories260K").UnknownId.ShouldBe(0);
    }

    [Fact]
    public void Many_threads_get_what_one_gets()
    {
        var texts = Expected.FileOf("gpt2-bytelevel-bpe").Strings.Select(row => row.Text).ToArray();
        var expected = texts.Select(text => Fresh().Encode(text)).ToArray();
        var shared = Fresh();
        Parallel.For(0, 8 * texts.Length, i => shared.Encode(texts[i % texts.Length]).ShouldBe(expected[i % texts.Length]));
    }
}
