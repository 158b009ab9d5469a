using System.Text.Json.Nodes;

namespace Peft.Tokenizers.Tests;

/// <summary>Damaged, hostile and unsupported files end in one exception that says what and where.</summary>
public sealed class TokenizerFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tokenizer").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_folder_without_a_tokenizer_is_named()
        => Should.Throw<TokenizerException>(() => Tokenizer.FromPretrained(folder)).Message.ShouldContain("tokenizer.json");

    [Fact]
    public void A_truncated_file_is_refused_wherever_it_ends()
    {
        var text = File.ReadAllText(Path.Combine(Expected.Folder("stories260K"), "tokenizer.json"));
        for (var length = 0; length < text.Length - 2; length += 199)
            Should.Throw<TokenizerException>(() => Load(text[..length]));
    }

    // Each line is a part of the file, and what is put there; null takes the part out.
    [Theory]
    [InlineData("model", "null")]
    [InlineData("model", "[]")]
    [InlineData("model.type", "\"Morse\"")]
    [InlineData("model.type", "3")]
    [InlineData("model.vocab", null)]
    [InlineData("model.vocab", "[]")]
    [InlineData("model.vocab", "{\"a\":\"b\"}")]
    [InlineData("model.vocab", "{\"a\":-1}")]
    [InlineData("model.vocab", "{\"a\":1.5}")]
    [InlineData("model.vocab", "{\"a\":99999999999}")]
    [InlineData("model.vocab", "{}")]
    [InlineData("model.merges", null)]
    [InlineData("model.merges", "{}")]
    [InlineData("model.merges", "[[\"h\"]]")]
    [InlineData("model.merges", "[\"h e l\"]")]
    [InlineData("model.merges", "[[\"h\",\"\\ud800\"]]")]
    [InlineData("model.merges", "[[\"h\",\"nowhere\"]]")]
    [InlineData("model.merges", "[[\"h\",\"h\"]]")]
    [InlineData("model.merges", "[[\"h\",5]]")]
    [InlineData("model.dropout", "0.1")]
    [InlineData("model.byte_fallback", "\"yes\"")]
    [InlineData("added_tokens", "{}")]
    [InlineData("added_tokens", "[{\"id\":0}]")]
    [InlineData("added_tokens", "[{\"id\":0,\"content\":5}]")]
    [InlineData("normalizer", "\"NFC\"")]
    [InlineData("normalizer", "{\"type\":\"Magic\"}")]
    [InlineData("normalizer", "{\"type\":\"Sequence\",\"normalizers\":{}}")]
    [InlineData("normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!\"}")]
    [InlineData("normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}")]
    [InlineData("normalizer", "{\"type\":\"Replace\",\"pattern\":{},\"content\":\"\"}")]
    [InlineData("pre_tokenizer", "{\"type\":\"UnicodeScripts\"}")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\",\"invert\":false}")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[[:alpha:]]\"},\"behavior\":\"Isolated\",\"invert\":false}")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{Klingon}\"},\"behavior\":\"Isolated\",\"invert\":false}")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Shattered\",\"invert\":false}")]
    [InlineData("pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}")]
    [InlineData("pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\",\"add_prefix_space\":false}")]
    [InlineData("pre_tokenizer", "{\"type\":\"FixedLength\",\"length\":0}")]
    [InlineData("post_processor", "{\"type\":\"Stamp\"}")]
    [InlineData("post_processor", "{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\"],\"sep\":[\"</s>\",2],\"trim_offsets\":true,\"add_prefix_space\":true}")]
    [InlineData("post_processor.special_tokens", "{}")]
    [InlineData("post_processor.single", "[{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}]")]
    [InlineData("post_processor.pair", "[{\"Sequence\":{\"id\":\"C\",\"type_id\":0}}]")]
    [InlineData("decoder", "{\"type\":\"Enigma\"}")]
    [InlineData("decoder.decoders", "null")]
    public void A_wrong_part_is_refused_and_named(string path, string? json)
    {
        var root = JsonNode.Parse(File.ReadAllText(Path.Combine(Expected.Folder("stories260K"), "tokenizer.json")))!;
        var names = path.Split('.');
        var parent = names.Length == 2 ? root[names[0]]!.AsObject() : root.AsObject();
        parent.Remove(names[^1]);
        // Put in as text, because a half surrogate cannot pass through a JsonNode.
        const string mark = "put here";
        if (json is not null)
            parent[names[^1]] = mark;
        var text = root.ToJsonString().Replace($"\"{mark}\"", json, StringComparison.Ordinal);
        Should.Throw<TokenizerException>(() => Load(text)).Message.ShouldNotBeNullOrWhiteSpace();
    }

    [Fact]
    public void An_unsupported_component_is_named_with_its_place()
    {
        var message = Should.Throw<TokenizerException>(() => Load("""{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},{"type":"UnicodeScripts"}]}}""")).Message;
        message.ShouldContain("UnicodeScripts");
        message.ShouldContain("pre_tokenizer.pretokenizers[1]");
    }

    [Fact]
    public void Merges_in_a_circle_end_all_the_same()
    {
        // Each token is made of the other two; no text can reach any of them but its own letters.
        var tokenizer = Load("""{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"ba":3,"aba":4,"bab":5},"merges":[["ab","a"],["b","ab"],["a","ba"],["ba","b"],["a","b"],["b","a"]]}}""");
        tokenizer.Encode("abababab").Count.ShouldBeLessThanOrEqualTo(8);
        tokenizer.Decode(tokenizer.Encode("ab")).ShouldBe("ab");
    }

    [Fact]
    public void Deep_nesting_is_refused()
    {
        var deep = string.Concat(Enumerable.Repeat("{\"type\":\"Sequence\",\"normalizers\":[", 2000)) + string.Concat(Enumerable.Repeat("]}", 2000));
        Should.Throw<TokenizerException>(() => Load("""{"model":{"type":"WordLevel","vocab":{"a":0}},"normalizer":""" + deep + "}"));
    }

    [Fact]
    public void A_text_that_the_vocabulary_cannot_spell_is_refused_where_there_is_no_unknown_token()
    {
        var tokenizer = Load("""{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"[UNK]"}}""");
        Should.Throw<TokenizerException>(() => tokenizer.Encode("b")).Message.ShouldContain("[UNK]");
    }

    [Fact]
    public void A_wrong_config_is_refused()
    {
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"padding_side":"top"}""");
        Should.Throw<TokenizerException>(() => Load("""{"model":{"type":"WordLevel","vocab":{"a":0}}}""")).Message.ShouldContain("padding_side");
    }

    [Fact]
    public void Sides_limits_and_tokens_come_from_the_config()
    {
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """
            {"padding_side":"left","truncation_side":"left","model_max_length":77,"clean_up_tokenization_spaces":true,
             "pad_token":{"content":"<pad>","lstrip":false,"normalized":false,"rstrip":false,"single_word":false},"eos_token":"b"}
            """);
        var tokenizer = Load("""{"model":{"type":"WordLevel","vocab":{"a":0,"b":1,".":2},"unk_token":"a"},"pre_tokenizer":{"type":"WhitespaceSplit"}}""");
        tokenizer.MaxLength.ShouldBe(77);
        tokenizer.PadId.ShouldBe(3);
        tokenizer.EndOfSequenceId.ShouldBe(1);
        tokenizer.VocabularySize.ShouldBe(4);
        tokenizer.Encode("a b a", new EncodeOptions { MaxLength = 2 }).Ids.ShouldBe([1, 0]);
        tokenizer.Encode("a", new EncodeOptions { MaxLength = 2, Padding = PaddingStrategy.MaxLength }).Ids.ShouldBe([3, 0]);
        tokenizer.Decode([0, 2]).ShouldBe("a.");
    }

    private Tokenizer Load(string json)
    {
        var file = Path.Combine(folder, "tokenizer.json");
        File.WriteAllText(file, json);
        return Tokenizer.FromFile(file);
    }
}
