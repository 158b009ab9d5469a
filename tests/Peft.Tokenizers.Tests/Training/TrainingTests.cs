namespace Peft.Tokenizers.Tests.Training;

/// <summary>Trained tokenizers are those of Hugging Face's trainers for the same texts and settings.</summary>
public sealed class TrainingTests : IDisposable
{
    private static readonly TokenizerParts Words = new() { PreTokenizer = """{ "type": "Whitespace" }""" };
    private static readonly SpecialTokenRoles Unknown = new() { Unknown = "<unk>" };

    private readonly string folder = Directory.CreateTempSubdirectory("peft").FullName;

    public void Dispose() => Directory.Delete(folder, true);

    private static TokenizerTrainer TrainerOf(string name, ExpectedTraining expected)
    {
        TokenizerTrainer trainer = name switch
        {
            "bytes-english" or "bytes-unicode" => new BpeTrainer { MinFrequency = 2 },
            "bytes-english-all" or "bytes-code" => new BpeTrainer(),
            "bpe-unicode" => new BpeTrainer { Parts = Words, Roles = Unknown, InitialAlphabet = "q\u00df\U0001F608" },
            "bpe-limited" => new BpeTrainer { Parts = Words, Roles = Unknown, LimitAlphabet = 40, MinFrequency = 3 },
            "bpe-short" => new BpeTrainer { Parts = Words, Roles = Unknown, MaxTokenLength = 5 },
            "bpe-suffix" => new BpeTrainer { Parts = Words, Roles = Unknown, EndOfWordSuffix = "</w>", MinFrequency = 2 },
            "wordpiece-english" => new WordPieceTrainer { MinFrequency = 2 },
            "wordpiece-unicode" => new WordPieceTrainer { Parts = TokenizerParts.Bert(lowercase: false) },
            "unigram-english" or "unigram-small" or "unigram-unicode" => new UnigramTrainer(),
            "unigram-code" => new UnigramTrainer { MaxPieceLength = 8, ShrinkingFactor = 0.6, SubIterations = 3 },
            _ => throw new ArgumentException(name),
        };
        return trainer with { VocabularySize = expected.Size, SpecialTokens = expected.Special ?? trainer.SpecialTokens };
    }

    [Theory]
    [InlineData("bytes-english")]
    [InlineData("bytes-english-all")]
    [InlineData("bytes-code")]
    [InlineData("bytes-unicode")]
    [InlineData("bpe-unicode")]
    [InlineData("bpe-limited")]
    [InlineData("bpe-short")]
    [InlineData("bpe-suffix")]
    [InlineData("wordpiece-english")]
    [InlineData("wordpiece-unicode")]
    public void Vocabulary_and_merges_are_those_of_Hugging_Face(string name)
    {
        var expected = ExpectedTraining.Read(name);
        using var saved = new SavedModel(TrainerOf(name, expected).TrainFromFiles([expected.File]), folder);
        if (expected.Merges is { } merges) saved.Merges.ShouldBe(merges.Select(pair => $"{pair[0]} {pair[1]}"));
        saved.Vocabulary.ShouldBe(expected.Vocab.EnumerateObject().OrderBy(entry => entry.Value.GetInt32()).Select(entry => $"{entry.Value} {entry.Name}"));
    }

    // Sums over words in another order differ by rounding: runs of the reference itself differ by up to 1e-10. Its characters that the model dropped share a set of scores in a random order.
    [Theory]
    [InlineData("unigram-unicode")]   // nothing is pruned
    [InlineData("unigram-english")]
    [InlineData("unigram-small")]
    [InlineData("unigram-code")]
    public void Unigram_pieces_and_scores_are_those_of_Hugging_Face(string name)
    {
        var expected = ExpectedTraining.Read(name);
        using var saved = new SavedModel(TrainerOf(name, expected).TrainFromFiles([expected.File]), folder);
        var (pieces, reference) = (saved.Pieces, SavedModel.PiecesOf(expected.Vocab));
        pieces.Keys.Except(reference.Keys).ShouldBeEmpty();
        reference.Keys.Except(pieces.Keys).ShouldBeEmpty();
        foreach (var (piece, score) in reference.Where(each => !expected.Unordered!.Contains(each.Key))) pieces[piece].ShouldBe(score, 1e-9, piece);
        var (dropped, droppedThere) = (expected.Unordered!.Select(piece => pieces[piece]).Order().ToArray(), expected.Unordered!.Select(piece => reference[piece]).Order().ToArray());
        for (var i = 0; i < dropped.Length; i++) dropped[i].ShouldBe(droppedThere[i], 1e-9);
        saved.Model.GetProperty("vocab").EnumerateArray().Skip(3).Select(piece => piece[1].GetDouble()).ShouldBeInOrder(SortDirection.Descending);
    }

    [Theory]
    [InlineData("bytes-english")]
    [InlineData("bytes-unicode")]
    [InlineData("bpe-unicode")]
    [InlineData("bpe-suffix")]
    [InlineData("wordpiece-english")]
    [InlineData("wordpiece-unicode")]
    [InlineData("unigram-unicode")]
    [InlineData("unigram-english")]
    [InlineData("unigram-small")]
    public void Texts_are_tokenized_as_by_Hugging_Face_before_and_after_saving(string name)
    {
        var expected = ExpectedTraining.Read(name);
        var tokenizer = TrainerOf(name, expected).TrainFromFiles([expected.File]);
        tokenizer.Save(folder);
        var loaded = Tokenizer.FromPretrained(folder);
        expected.Strings.Length.ShouldBeGreaterThan(10);
        for (var i = 0; i < expected.Strings.Length; i++)
        {
            tokenizer.Encode(expected.Strings[i], new EncodeOptions { AddSpecialTokens = false }).Tokens.ShouldBe(expected.Tokens[i]);
            loaded.Encode(expected.Strings[i]).ShouldBe(tokenizer.Encode(expected.Strings[i]));
            loaded.Decode(loaded.Encode(expected.Strings[i])).ShouldBe(tokenizer.Decode(tokenizer.Encode(expected.Strings[i])));
        }
        loaded.VocabularySize.ShouldBe(tokenizer.VocabularySize);
        loaded.UnknownId.ShouldBe(tokenizer.UnknownId);
        Directory.GetFiles(folder).Select(Path.GetFileName).Order().ShouldBe(["tokenizer.json", "tokenizer_config.json"]);
    }

    [Fact]
    public void Settings_that_cannot_be_fulfilled_are_named()
    {
        Should.Throw<TokenizerException>(() => new BpeTrainer { VocabularySize = 100 }.Train(["text"])).Message.ShouldContain("257");
        Should.Throw<TokenizerException>(() => new UnigramTrainer { VocabularySize = 5 }.Train(["text"])).Message.ShouldContain(nameof(TokenizerTrainer.VocabularySize));
        Should.Throw<TokenizerException>(() => new BpeTrainer().Train(["", ""])).Message.ShouldContain("no words");
        Should.Throw<TokenizerException>(() => new WordPieceTrainer { SpecialTokens = ["[UNK]"] }.Train(["text"])).Message.ShouldContain("[SEP]");
        Should.Throw<TokenizerException>(() => new BpeTrainer { Parts = new() { PreTokenizer = """{ "type": "Other" }""" } }.Train(["text"])).Message.ShouldContain("Other");
        Should.Throw<TokenizerException>(() => new BpeTrainer().TrainFromFiles([Path.Combine(folder, "none.txt")])).Message.ShouldContain("none.txt");
        File.WriteAllBytes(Path.Combine(folder, "latin.txt"), [0x61, 0xE9, 0x62]);
        Should.Throw<TokenizerException>(() => new BpeTrainer().TrainFromFiles([Path.Combine(folder, "latin.txt")])).Message.ShouldContain("UTF-8");
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Should.Throw<OperationCanceledException>(() => new BpeTrainer().Train(["text"], cancelled.Token));
    }

    // Sennrich et al. 2016, figure 1.
    [Fact]
    public void The_first_merges_of_the_paper()
    {
        string[] texts = [.. Enumerable.Repeat("low", 5), .. Enumerable.Repeat("lower", 2), .. Enumerable.Repeat("newest", 6), .. Enumerable.Repeat("widest", 3)];
        var trainer = new BpeTrainer { Parts = new(), SpecialTokens = [], Roles = new(), VocabularySize = 13 };
        using var saved = new SavedModel(trainer.Train(texts), folder);
        saved.Merges.ShouldBe(["e s", "es t", "l o"]);   // 9 times each, then 7
    }

    [Fact]
    public void Bert_s_special_tokens_surround_texts_and_pairs()
    {
        var tokenizer = new WordPieceTrainer { VocabularySize = 200 }.TrainFromFiles([ExpectedTraining.PathOf("english")]);
        tokenizer.Encode("We", "Are", new()).Tokens.Where(token => token.StartsWith('[')).ShouldBe(["[CLS]", "[SEP]", "[SEP]"]);
        tokenizer.Encode("We", "Are", new()).TypeIds[^1].ShouldBe(1);
        (tokenizer.PadId, tokenizer.MaskId, tokenizer.ClassifierId).ShouldBe((0, 4, 2));
    }
}
