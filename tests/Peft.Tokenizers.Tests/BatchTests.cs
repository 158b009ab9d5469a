namespace Peft.Tokenizers.Tests;

public class BatchTests
{
    private static readonly Tokenizer Roberta = Expected.Tokenizer("roberta-bytelevel-bpe");
    private static readonly Tokenizer Bert = Expected.Tokenizer("bert-wordpiece");

    [Fact]
    public void Padding_on_the_right_fills_up_to_the_longest()
    {
        var batch = Roberta.EncodeBatch(["the king", "the king is dead, long live the king"], new() { Padding = PaddingStrategy.Longest });
        var alone = Roberta.Encode("the king");
        batch[0].Ids.ShouldBe([.. alone, .. Enumerable.Repeat(1, batch[1].Length - alone.Count)]);
        batch[0].AttentionMask.ShouldBe([.. Enumerable.Repeat(1, alone.Count), .. Enumerable.Repeat(0, batch[1].Length - alone.Count)]);
        batch[0].Tokens[^1].ShouldBe("<pad>");
        batch[1].AttentionMask.ShouldAllBe(value => value == 1);
    }

    [Fact]
    public void Padding_on_the_left_comes_first()
    {
        var batch = Roberta.EncodeBatch(["the king", "the king is dead"], new() { Padding = PaddingStrategy.Longest, PaddingSide = Side.Left, PadToMultipleOf = 8 });
        batch.ShouldAllBe(encoding => encoding.Length % 8 == 0);
        var alone = Roberta.Encode("the king");
        batch[0].Ids.ShouldBe([.. Enumerable.Repeat(1, batch[0].Length - alone.Count), .. alone]);
        batch[0].AttentionMask[0].ShouldBe(0);
        batch[0].AttentionMask[^1].ShouldBe(1);
    }

    [Fact]
    public void Padding_to_a_length_fills_every_row()
        => Roberta.EncodeBatch(["a", "the king"], new() { Padding = PaddingStrategy.MaxLength, MaxLength = 12 }).ShouldAllBe(encoding => encoding.Length == 12);

    [Fact]
    public void Padding_without_a_padding_token_is_refused_unless_an_id_is_given()
    {
        var gpt2 = Expected.Tokenizer("gpt2-bytelevel-bpe");
        Should.Throw<TokenizerException>(() => gpt2.EncodeBatch(["a", "a b"], new() { Padding = PaddingStrategy.Longest })).Message.ShouldContain("PadId");
        gpt2.EncodeBatch(["a", "a b"], new() { Padding = PaddingStrategy.Longest, PadId = gpt2.EndOfSequenceId })[0].Ids[^1].ShouldBe(gpt2.EndOfSequenceId!.Value);
    }

    [Fact]
    public void Truncation_keeps_the_template()
    {
        const string text = "the king is dead, long live the king";
        var whole = Bert.Encode(text, addSpecialTokens: false);
        var right = Bert.Encode(text, new EncodeOptions { MaxLength = 6 });
        right.Ids.ShouldBe([Bert.ClassifierId!.Value, .. whole.Take(4), Bert.SeparatorId!.Value]);
        var left = Bert.Encode(text, new EncodeOptions { MaxLength = 6, TruncationSide = Side.Left });
        left.Ids.ShouldBe([Bert.ClassifierId!.Value, .. whole.TakeLast(4), Bert.SeparatorId!.Value]);
    }

    // Expected lengths of the two sequences, special tokens left out, by the reference's rule for "longest first".
    [Theory]
    [InlineData(10, 4, 9, 5, 4)]
    [InlineData(4, 10, 9, 4, 5)]
    [InlineData(10, 10, 9, 4, 5)]
    [InlineData(10, 9, 9, 5, 4)]
    [InlineData(2, 10, 5, 2, 3)]
    [InlineData(3, 3, 9, 3, 3)]
    public void Of_two_texts_the_longer_gives_way(int first, int second, int room, int firstLeft, int secondLeft)
    {
        var encoding = Bert.Encode(Words(first), Words(second), new() { MaxLength = room + 3 });
        encoding.SequenceIds.Count(id => id == 0).ShouldBe(firstLeft);
        encoding.SequenceIds.Count(id => id == 1).ShouldBe(secondLeft);
    }

    [Fact]
    public void Only_the_chosen_text_gives_way()
    {
        var encoding = Bert.Encode(Words(5), Words(10), new() { MaxLength = 12, Truncation = TruncationStrategy.OnlySecond });
        encoding.SequenceIds.Count(id => id == 0).ShouldBe(5);
        encoding.Length.ShouldBe(12);
        Should.Throw<ArgumentException>(() => Bert.Encode(Words(2), Words(10), new() { MaxLength = 8, Truncation = TruncationStrategy.OnlyFirst }));
        Should.Throw<ArgumentException>(() => Bert.Encode(Words(10), new EncodeOptions { MaxLength = 8, Truncation = TruncationStrategy.OnlySecond }));
    }

    [Fact]
    public void Options_that_leave_no_room_are_refused()
    {
        Should.Throw<ArgumentException>(() => Bert.Encode("a", new EncodeOptions { MaxLength = 1 }));
        Should.Throw<ArgumentException>(() => Bert.Encode("a", new EncodeOptions { MaxLength = 0 }));
        Should.Throw<ArgumentException>(() => Bert.Encode("a", new EncodeOptions { Padding = PaddingStrategy.MaxLength }));
        Should.Throw<ArgumentException>(() => Bert.Encode("a", new EncodeOptions { PadToMultipleOf = 0 }));
    }

    [Fact]
    public void Words_sequences_and_special_tokens_are_told_apart()
    {
        var encoding = Bert.Encode("the king", "dead");
        encoding.IsSpecial[0].ShouldBeTrue();
        encoding.SequenceIds[0].ShouldBeNull();
        encoding.WordIds[0].ShouldBeNull();
        encoding.WordIds[1].ShouldBe(0);
        encoding.SequenceIds[^2].ShouldBe(1);
    }

    private static string Words(int count) => string.Join(' ', Enumerable.Repeat("the", count));
}
