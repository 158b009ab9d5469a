using System.Text.Json;

namespace Peft.Tokenizers.Tests;

/// <summary>Models trained by sentencepiece 0.2.0, and what it makes of 440 strings (Data/make_sentencepiece.py).</summary>
public sealed class SentencePieceTests : IDisposable
{
    private static readonly JsonElement Expected = JsonDocument.Parse(File.ReadAllText(PathOf("expected.json"))).RootElement;
    private static readonly string[] Strings = Expected.GetProperty("strings").Deserialize<string[]>()!;

    private readonly string folder = Directory.CreateTempSubdirectory("peft").FullName;

    public void Dispose() => Directory.Delete(folder, true);

    private static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "sentencepiece", name);

    [Theory]
    [InlineData("unigram")]
    [InlineData("unigram-bytes")]
    [InlineData("bpe")]
    [InlineData("bpe-bytes")]
    public void Ids_are_those_of_sentencepiece_for_every_string(string name)
    {
        var tokenizer = Tokenizer.FromFile(PathOf(name + ".model"));
        var expected = Expected.GetProperty(name).GetProperty("ids").Deserialize<int[][]>()!;
        expected.Length.ShouldBeGreaterThan(400);
        for (var i = 0; i < Strings.Length; i++)
            tokenizer.Encode(Strings[i], addSpecialTokens: false).ShouldBe(expected[i], $"{i}: {JsonSerializer.Serialize(Strings[i])}");
    }

    [Theory]
    [InlineData("unigram")]
    [InlineData("unigram-bytes")]
    [InlineData("bpe")]
    [InlineData("bpe-bytes")]
    public void Decoding_gives_the_text_of_sentencepiece(string name)
    {
        var tokenizer = Tokenizer.FromFile(PathOf(name + ".model"));
        var ids = Expected.GetProperty(name).GetProperty("ids").Deserialize<int[][]>()!;
        var decoded = Expected.GetProperty(name).GetProperty("decoded").Deserialize<string[]>()!;
        var compared = 0;
        for (var i = 0; i < ids.Length; i++)
        {
            // The unknown token is a special token in transformers, and so left out.
            if (ids[i].Contains(tokenizer.UnknownId!.Value)) continue;
            tokenizer.Decode(ids[i]).ShouldBe(decoded[i], $"{i}: {JsonSerializer.Serialize(Strings[i])}");
            compared++;
        }
        compared.ShouldBeGreaterThan(100);
    }

    [Fact]
    public void Offsets_point_into_the_text_as_given()
    {
        const string Text = "  so e\u0301t\u00e9\u3000\ufb01x \U0001F600 KING";
        foreach (var name in new[] { "unigram", "bpe", "bpe-bytes", "unigram-bytes" })
        {
            var encoding = Tokenizer.FromFile(PathOf(name + ".model")).Encode(Text, new EncodeOptions { AddSpecialTokens = false });
            encoding.Offsets[^1].End.ShouldBe(Text.EnumerateRunes().Count(), name);
            encoding.Offsets.Zip(encoding.Offsets.Skip(1)).ShouldAllBe(pair => pair.First.Start <= pair.Second.Start && pair.First.End <= pair.Second.End);
        }
    }

    private Tokenizer With(string model, string name, params (string File, string Json)[] files)
    {
        foreach (var path in Directory.GetFiles(folder)) File.Delete(path);
        File.Copy(PathOf(model + ".model"), Path.Combine(folder, name));
        foreach (var (file, json) in files) File.WriteAllText(Path.Combine(folder, file), json);
        return Tokenizer.FromPretrained(folder);
    }

    [Fact]
    public void Llama_frames_texts_as_its_configuration_says()
    {
        var tokenizer = With("bpe-bytes", "tokenizer.model");
        var plain = tokenizer.Encode("to be", addSpecialTokens: false);
        tokenizer.Encode("to be").ShouldBe([1, .. plain]);
        (tokenizer.BeginOfSequenceId, tokenizer.EndOfSequenceId, tokenizer.UnknownId, tokenizer.PadId).ShouldBe((1, 2, 0, null));
        tokenizer.Encode("to be<s>", addSpecialTokens: false).ShouldBe([.. plain, 1]);   // as transformers, and unlike sentencepiece alone
        tokenizer.Decode([1, .. plain, 2]).ShouldBe("to be");
        tokenizer.Decode([1, .. plain], skipSpecialTokens: false).ShouldBe("<s> to be");

        tokenizer = With("bpe-bytes", "tokenizer.model", ("tokenizer_config.json", """
            {"tokenizer_class":"LlamaTokenizer","add_bos_token":false,"add_eos_token":true,"bos_token":"<s>","eos_token":"</s>","pad_token":"[PAD]","legacy":false}
            """));
        tokenizer.Encode("to be").ShouldBe([.. plain, 2]);
        tokenizer.PadId.ShouldBe(tokenizer.VocabularySize - 1);
        tokenizer.Encode("to be", "to be", new EncodeOptions()).Ids.ShouldBe([.. plain, 2, .. plain, 2]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Behind_a_special_token_only_the_legacy_form_puts_a_space(bool legacy)
    {
        var tokenizer = With("bpe-bytes", "tokenizer.model", ("tokenizer_config.json", $$"""{"tokenizer_class":"LlamaTokenizer","legacy":{{(legacy ? "true" : "false")}}}"""));
        var both = tokenizer.Encode("to</s>be", addSpecialTokens: false);
        List<int> first = [.. tokenizer.Encode("to", addSpecialTokens: false)], second = [.. tokenizer.Encode("be", addSpecialTokens: false)];
        if (legacy) both.ShouldBe([.. first, 2, .. second]);
        else string.Concat(both.Skip(first.Count + 1).Select(tokenizer.IdToToken)).ShouldBe("be");
        tokenizer.Encode("</s>be", addSpecialTokens: false).Count.ShouldBe(legacy ? 1 + second.Count : both.Count - first.Count);
    }

    [Fact]
    public void T5_ends_texts_and_has_its_sentinels_behind_the_model()
    {
        var tokenizer = With("unigram", "spiece.model", ("tokenizer_config.json", """{"tokenizer_class":"T5Tokenizer","extra_ids":10,"additional_special_tokens":["<extra_id_0>","<extra_id_1>"]}"""));
        var size = tokenizer.VocabularySize;
        tokenizer.TokenToId("<extra_id_0>").ShouldBe(size - 1);
        tokenizer.TokenToId("<extra_id_9>").ShouldBe(size - 10);
        var plain = tokenizer.Encode("to be", addSpecialTokens: false);
        tokenizer.Encode("to be").ShouldBe([.. plain, tokenizer.EndOfSequenceId!.Value]);
        var pair = tokenizer.Encode("to be", "to be", new EncodeOptions());
        pair.Ids.ShouldBe([.. plain, 2, .. plain, 2]);
        pair.TypeIds.ShouldAllBe(type => type == 0);
        tokenizer.PadId.ShouldBe(3);
        tokenizer.Encode("<extra_id_3>", addSpecialTokens: false).ShouldBe([size - 4]);
    }

    [Fact]
    public void Added_tokens_of_both_kinds_of_file_are_there_and_are_saved()
    {
        var tokenizer = With("bpe-bytes", "tokenizer.model", ("added_tokens.json", """{"<b>":621,"<a>":620}"""));
        var first = tokenizer.TokenToId("<a>")!.Value;
        tokenizer.TokenToId("<b>").ShouldBe(first + 1);
        tokenizer.AddTokens(["<c>"], special: true);
        var saved = Path.Combine(folder, "saved");
        tokenizer.Save(saved);
        var again = Tokenizer.FromPretrained(saved);
        again.TokenToId("<c>").ShouldBe(first + 2);
        again.Encode("to <a> be<c>x").ShouldBe(tokenizer.Encode("to <a> be<c>x"));
        again.Decode(again.Encode("to be<c>")).ShouldBe("to be");
    }

    [Fact]
    public void A_class_that_frames_texts_in_its_own_way_is_refused()
        => Should.Throw<TokenizerException>(() => With("unigram", "spiece.model", ("tokenizer_config.json", """{"tokenizer_class":"XLMRobertaTokenizer"}"""))).Message.ShouldContain("XLMRobertaTokenizer");

    [Fact]
    public void Damaged_files_end_in_one_exception()
    {
        var random = new Random(11);
        var (read, refused) = (0, 0);
        var path = Path.Combine(folder, "tokenizer.model");
        foreach (var name in new[] { "unigram", "bpe-bytes" })
        {
            var good = File.ReadAllBytes(PathOf(name + ".model"));
            for (var i = 0; i < 300; i++)
            {
                byte[] bad = i % 3 == 0 ? good[..random.Next(good.Length)] : [.. good];
                for (var n = random.Next(1, 4); n > 0 && bad.Length > 0; n--) bad[random.Next(2) == 0 ? random.Next(bad.Length) : bad.Length - 1 - random.Next(Math.Min(bad.Length, 900))] = (byte)random.Next(256);
                File.WriteAllBytes(path, bad);
                try
                {
                    var tokenizer = Tokenizer.FromFile(path);
                    tokenizer.Decode(tokenizer.Encode("To be, or not to be: \u00e9 \ufb01 \U0001F600 KING"));
                    read++;
                }
                catch (TokenizerException)
                {
                    refused++;
                }
            }
        }
        read.ShouldBeGreaterThan(50);
        refused.ShouldBeGreaterThan(50);
    }

    [Fact]
    public void Long_texts_take_time_in_proportion()
    {
        var text = string.Concat(Enumerable.Repeat(string.Join('\n', Strings.Where(text => text.Length > 20)), 8));   // some 120,000 characters
        foreach (var name in new[] { "unigram", "bpe-bytes" })
        {
            var tokenizer = Tokenizer.FromFile(PathOf(name + ".model"));
            tokenizer.Decode(tokenizer.Encode(text)).Length.ShouldBeGreaterThan(text.Length / 2);
        }
    }
}
