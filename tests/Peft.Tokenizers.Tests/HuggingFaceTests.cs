namespace Peft.Tokenizers.Tests;

public class HuggingFaceTests
{
    public static TheoryData<string, int> Strings => Expected.Strings;

    public static TheoryData<string, int> Pairs => Expected.Pairs;

    [Theory, MemberData(nameof(Strings))]
    public void Ids_with_special_tokens_are_hugging_faces(string kind, int row)
    {
        var expected = Expected.FileOf(kind).Strings[row];
        Expected.Tokenizer(kind).Encode(expected.Text).ShouldBe(expected.Ids);
    }

    [Theory, MemberData(nameof(Strings))]
    public void Ids_without_special_tokens_are_hugging_faces(string kind, int row)
    {
        var expected = Expected.FileOf(kind).Strings[row];
        Expected.Tokenizer(kind).Encode(expected.Text, addSpecialTokens: false).ShouldBe(expected.IdsWithoutSpecial);
    }

    [Theory, MemberData(nameof(Strings))]
    public void Offsets_are_hugging_faces(string kind, int row)
    {
        var expected = Expected.FileOf(kind).Strings[row];
        var encoding = Expected.Tokenizer(kind).Encode(expected.Text, new EncodeOptions { AddSpecialTokens = false });
        encoding.Offsets.ShouldBe(expected.Offsets.Select(offset => (offset[0], offset[1])));
    }

    [Theory, MemberData(nameof(Strings))]
    public void Decoded_text_is_hugging_faces(string kind, int row)
    {
        var expected = Expected.FileOf(kind).Strings[row];
        Expected.Tokenizer(kind).Decode(expected.Ids).ShouldBe(expected.Decoded);
    }

    [Theory, MemberData(nameof(Pairs))]
    public void Pairs_and_their_type_ids_are_hugging_faces(string kind, int row)
    {
        var expected = Expected.FileOf(kind).Pairs[row];
        var encoding = Expected.Tokenizer(kind).Encode(expected.First, expected.Second);
        encoding.Ids.ShouldBe(expected.Ids);
        encoding.TypeIds.ShouldBe(expected.TypeIds);
    }

    [Fact]
    public void A_llama_with_byte_fallback_encodes_as_hugging_faces()
    {
        foreach (var expected in Expected.FileOf("stories260K").Tokens)
            Expected.Tokenizer("stories260K").Encode(expected.Text).ShouldBe(expected.Ids);
    }

    [Fact]
    public void A_published_output_of_llama2_c_decodes_to_its_text()
    {
        var published = Expected.FileOf("stories260K").Published!;
        Expected.Tokenizer("stories260K").Decode(published.Ids).ShouldBe(published.Text);
    }
}
