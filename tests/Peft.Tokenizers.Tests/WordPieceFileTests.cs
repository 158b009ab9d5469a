using System.Text.Json;

namespace Peft.Tokenizers.Tests;

/// <summary>BERT's tokenizer from its vocab.txt, against the one from tokenizer.json.</summary>
public sealed class WordPieceFileTests : IDisposable
{
    private const string Kind = "bert-wordpiece";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("vocab-");

    public WordPieceFileTests()
    {
        using var whole = JsonDocument.Parse(File.ReadAllText(Path.Combine(Expected.Folder(Kind), "tokenizer.json")));
        Write("vocab.txt", string.Concat(whole.RootElement.GetProperty("model").GetProperty("vocab").EnumerateObject().OrderBy(entry => entry.Value.GetInt32()).Select(entry => entry.Name + "\n")));
    }

    public void Dispose() => folder.Delete(recursive: true);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(folder.FullName, name), text);

    private Tokenizer Load() => Tokenizer.FromPretrained(folder.FullName);

    [Fact]
    public void Ids_types_and_texts_are_those_of_tokenizer_json()
    {
        var tokenizer = Load();
        tokenizer.VocabularySize.ShouldBe(Expected.Tokenizer(Kind).VocabularySize);
        foreach (var expected in Expected.FileOf(Kind).Strings)
        {
            tokenizer.Encode(expected.Text).ShouldBe(expected.Ids);
            tokenizer.Decode(expected.Ids).ShouldBe(expected.Decoded);
        }
        foreach (var expected in Expected.FileOf(Kind).Pairs)
        {
            var encoding = tokenizer.Encode(expected.First, expected.Second);
            encoding.Ids.ShouldBe(expected.Ids);
            encoding.TypeIds.ShouldBe(expected.TypeIds);
        }
    }

    [Fact]
    public void The_configuration_says_whether_capitals_count_and_which_tokens_are_special()
    {
        Write("vocab.txt", "<p>\n<u>\n<c>\n<s>\n<m>\nA\na\r\n");
        Write("tokenizer_config.json", """{"tokenizer_class": "BertTokenizer", "do_lower_case": false, "pad_token": "<p>", "unk_token": "<u>", "cls_token": "<c>", "sep_token": "<s>", "mask_token": "<m>"}""");
        Load().Encode("A a b <m>").ShouldBe([2, 5, 6, 1, 4, 3]);
    }

    [Fact]
    public void Added_tokens_are_saved_and_found_again()
    {
        var tokenizer = Load();
        tokenizer.AddTokens(["<intent>"], special: true).ShouldBe(1);
        using var again = new Copy();
        tokenizer.Save(again.Path);
        Tokenizer.FromPretrained(again.Path).Encode("<intent> hello").ShouldBe(tokenizer.Encode("<intent> hello"));
    }

    [Fact]
    public void What_cannot_be_read_as_asked_is_refused_by_name()
    {
        Write("tokenizer_config.json", """{"tokenizer_class": "MPNetTokenizer"}""");
        Should.Throw<TokenizerException>(Load).Message.ShouldContain("belongs to a MPNetTokenizer");
        Write("tokenizer_config.json", """{"mask_token": "<none>"}""");
        Should.Throw<TokenizerException>(Load).Message.ShouldContain("has no token <none>");
        File.Delete(Path.Combine(folder.FullName, "tokenizer_config.json"));
        Write("vocab.txt", "[PAD]\n[UNK]\n[PAD]\n");
        Should.Throw<TokenizerException>(Load).Message.ShouldContain("line 3: duplicate token [PAD]");
        Write("vocab.txt", "");
        Should.Throw<TokenizerException>(Load).Message.ShouldContain("has no token [UNK]");
    }

    private sealed class Copy : IDisposable
    {
        private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("vocab-");

        public string Path => folder.FullName;

        public void Dispose() => folder.Delete(recursive: true);
    }
}
