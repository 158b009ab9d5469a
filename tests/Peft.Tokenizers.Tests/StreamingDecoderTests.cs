using FsCheck.Xunit;

namespace Peft.Tokenizers.Tests;

public class StreamingDecoderTests
{
    public static TheoryData<string> Kinds => Expected.Kinds;

    [Theory, MemberData(nameof(Kinds))]
    public void Pieces_joined_are_the_decoded_text(string kind)
    {
        var tokenizer = Expected.Tokenizer(kind);
        foreach (var text in Expected.FileOf("gpt2-bytelevel-bpe").Strings.Select(row => row.Text))
        {
            var ids = tokenizer.Encode(text);
            Stream(tokenizer, ids).ShouldBe(tokenizer.Decode(ids));
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void A_long_text_streams_as_it_decodes(string kind)
    {
        var tokenizer = Expected.Tokenizer(kind);
        var text = string.Join(" \n ", Expected.FileOf("gpt2-bytelevel-bpe").Strings.Select(row => row.Text));
        var ids = tokenizer.Encode(text);
        ids.Count.ShouldBeGreaterThan(500);
        Stream(tokenizer, ids).ShouldBe(tokenizer.Decode(ids));
    }

    // Any ids at all: bytes that are no characters, special tokens, ids that do not exist.
    [Property(MaxTest = 200)]
    public void Any_ids_stream_as_they_decode(int[] numbers, bool skip)
    {
        foreach (var kind in (string[])["stories260K", "llama3-qwen-bpe", "t5-unigram"])
        {
            var tokenizer = Expected.Tokenizer(kind);
            var ids = numbers.Select(number => (int)((uint)number * 2654435761u % 720)).ToArray();
            Stream(tokenizer, ids, skip).ShouldBe(tokenizer.Decode(ids, skip));
        }
    }

    [Theory]
    [InlineData("stories260K")]
    [InlineData("llama3-qwen-bpe")]
    public void No_piece_ends_within_a_character(string kind)
    {
        var tokenizer = Expected.Tokenizer(kind);
        var decoder = tokenizer.CreateStreamingDecoder();
        var pieces = tokenizer.Encode("你好 😀 é!").Select(decoder.Push).Append(decoder.Flush()).ToList();
        pieces.ShouldAllBe(piece => !piece.Contains('\uFFFD'));
        pieces.ShouldAllBe(piece => !char.IsHighSurrogate(piece.LastOrDefault()));
        string.Concat(pieces).ShouldBe("你好 😀 é!");
    }

    [Fact]
    public void A_flushed_decoder_starts_anew()
    {
        var tokenizer = Expected.Tokenizer("stories260K");
        var decoder = tokenizer.CreateStreamingDecoder();
        var ids = tokenizer.Encode("Once upon a time");
        for (var round = 0; round < 2; round++)
            (string.Concat(ids.Select(decoder.Push)) + decoder.Flush()).ShouldBe("Once upon a time");
    }

    [Fact]
    public void Text_appears_while_tokens_come()
    {
        var tokenizer = Expected.Tokenizer("llama3-qwen-bpe");
        var decoder = tokenizer.CreateStreamingDecoder();
        tokenizer.Encode("the king is dead").Select(decoder.Push).Count(piece => piece.Length > 0).ShouldBeGreaterThan(3);
        decoder.Flush().ShouldBe("");
    }

    private static string Stream(Tokenizer tokenizer, IEnumerable<int> ids, bool skip = true)
    {
        var decoder = tokenizer.CreateStreamingDecoder(skip);
        return string.Concat(ids.Select(decoder.Push)) + decoder.Flush();
    }
}
