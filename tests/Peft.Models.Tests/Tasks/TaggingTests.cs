using static Peft.Models.Tests.Tasks.TaskModels;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Tasks;

public class TaggingTests
{
    private const long X = Batch.IgnoredLabel;

    private static IReadOnlyList<long> Ids(Tensor tensor) => [.. tensor.data<long>()];

    private static readonly string[] Given = ["O", "B-x", "I-x"];

    [Fact]
    public void A_words_tag_stands_on_its_first_token()
    {
        var data = new TaggingDataset([new(["Coriolanus", "zzz", "!", "of"], ["B-x", "I-x", "O", "O"]), new(["night"], ["O"])], Pieces);
        data.Labels.ShouldBe(Given);
        using var batch = data.GetBatch([0, 1]);
        var tokens = Pieces.Encode("Coriolanus zzz ! of", new EncodeOptions()).Tokens;
        List<long> expected = [];
        long[] words = [1, 2, 0, 0];
        var word = 0;
        foreach (var token in tokens) expected.Add(token is "[CLS]" or "[SEP]" || token.StartsWith("##", StringComparison.Ordinal) ? X : words[word++]);
        word.ShouldBe(4);
        Ids(batch.Labels![0]).ShouldBe(expected);
        Ids(batch.Labels[1]).Take(3).ShouldBe([X, 0, X]);
        Ids(batch.Labels[1]).Skip(3).ShouldAllBe(label => label == X);
        batch.Weight.ShouldBe(5);
    }

    [Theory]
    [InlineData("bert-wordpiece")]
    [InlineData("gpt2-bytelevel-bpe")]
    [InlineData("roberta-bytelevel-bpe")]
    [InlineData("llama3-qwen-bpe")]
    [InlineData("t5-unigram")]
    [InlineData("stories260K")]
    public void Words_find_their_tokens_in_every_tokenizer(string name)
    {
        var tokenizer = name == "stories260K" ? Tokenizer.FromPretrained(Reference.Stories) : Tokenizer.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", name));
        string[] words = ["The", "prince", "'s", "Coriolanus", "😂", "été", ",", "night", "."];
        var (text, ranges) = Words.Join(words);
        var tokens = tokenizer.Encode(text, new EncodeOptions());
        var first = Words.FirstTokens(text, ranges, tokens);
        first.ShouldAllBe(token => token >= 0);
        first.ShouldBeInOrder();
        first.Distinct().Count().ShouldBe(words.Length);
        // Each word's tokens, from its first to the next word's, spell it.
        var positions = new TextPositions(text);
        for (var word = 0; word < words.Length; word++)
        {
            var (start, _) = positions.Range(tokens.Offsets[first[word]]);
            start.ShouldBe(ranges[word].Start, $"{name}: {words[word]}");
        }
    }

    [Fact]
    public void Rows_come_from_files_and_what_is_wrong_is_named()
    {
        void Check(TaggingDataset data)
        {
            data.Labels.ShouldBe(Given);
            using var batch = data.GetBatch([0]);
            Ids(batch.Labels![0]).Where(label => label != X).ShouldBe([1, 2, 0]);
        }
        InFile("a.jsonl", "{\"tokens\": [\"noble\", \"prince\", \"!\"], \"tags\": [\"B-x\", \"I-x\", \"O\"]}", path => Check(TaggingDataset.FromFile(path, Pieces)));
        InFile("a.jsonl", "{\"words\": [\"noble\", \"prince\", \"!\"], \"ner\": [1, 2, 0]}", path => Check(TaggingDataset.FromFile(path, Pieces, new() { WordsField = "words", TagsField = "ner", Labels = Given })));
        InFile("a.csv", "tokens,tags\nnoble prince !,B-x I-x O\n", path => Check(TaggingDataset.FromFile(path, Pieces)));
        void Refused(string text, string expected, TaggingOptions? options = null) => InFile("a.jsonl", text, path =>
        {
            var message = Should.Throw<DatasetException>(() => TaggingDataset.FromFile(path, Pieces, options)).Message;
            message.ShouldContain(expected);
            message.ShouldContain(path);
        });
        Refused("{\"tokens\": [\"a\", \"b\"], \"tags\": [\"O\"]}", "line 1: there are 2 words, but 1 tags");
        Refused("{\"tokens\": [], \"tags\": []}\n{\"tokens\": [\"a\"], \"tags\": [\"O\"]}", "line 1: there are no words");
        Refused("{\"tokens\": [\"a\", \" \"], \"tags\": [\"O\", \"O\"]}", "line 1: word 2 is empty");
        Refused("{\"tokens\": [\"a\"], \"tags\": [\"B-y\"]}", "line 1: the tag 'B-y' is not among those given: O, B-x, I-x", new() { Labels = Given });
        Refused("{\"tokens\": [\"a\"], \"tags\": [7]}", "'7' is not among those given", new() { Labels = Given });
        Refused("{\"tokens\": [\"a\"], \"labels\": [\"O\"]}", "there is no field \"tags\". Fields found: tokens, labels");
        Refused("{\"tokens\": 3, \"tags\": [\"O\"]}", "field \"tokens\" must be a list or a string, but is a number");
        Refused("{\"tokens\": [\"a\", \"b\", \"c\", \"d\"], \"tags\": [\"O\", \"O\", \"O\", \"O\"]}", "has 6 tokens, but 4 are allowed", new() { MaxLength = 4, Truncate = false });
    }

    [Fact]
    public void Words_that_the_tokenizer_leaves_out_are_counted()
    {
        var data = new TaggingDataset([new(["noble", "\u200d", "night"], ["O", "B-x", "B-x"])], Pieces);   // a joiner is no text to BERT
        data.LostWords.ShouldBe(1);
        using var batch = data.GetBatch([0]);
        Ids(batch.Labels![0]).Where(label => label != X).ShouldBe([0, 1]);
    }

    private static string TagOf(string word) => word switch { "romeo" or "queen" => "B-who", "night" => "B-when", _ => "O" };

    [Fact]
    public void A_tagger_learns_is_measured_and_tags()
    {
        TaggingDataset Of(int count, int seed) => new(Told(count, seed).Select(row => new TaggingRow([.. row.Text.Split(' '), "!"], [.. row.Text.Split(' ').Select(TagOf), "O"])), Pieces, new() { Labels = ["O", "B-who", "B-when"] });
        var (train, test) = (Of(96, 1), Of(48, 2));
        using var model = TokenClassifier.FromConfig(Bert, 3, train.Labels);
        using var peft = model.ApplyFull();
        var result = new Trainer(peft, train, new() { Epochs = 10, LearningRate = 3e-3, BatchSize = 16, BestMetric = "f1", LoadBestAtEnd = true }) { Evaluation = test }.Train();
        result.Best!.Metrics.Keys.ShouldBe(["precision", "recall", "f1", "accuracy"], ignoreOrder: true);
        result.Best.Metrics["f1"].ShouldBeGreaterThan(0.9);

        // The same by the other way.
        var rows = Told(48, 2).Select(row => row.Text.Split(' ')).ToList();
        var found = model.Tag(rows.Select(words => (IReadOnlyList<string>)[.. words, "!"]), Pieces, new() { BatchSize = 7 });
        var expected = rows.Select(words => (IReadOnlyList<string>)[.. words.Select(TagOf), "O"]).ToList();
        Peft.Metrics.EntityScore([.. found.Select(text => (IReadOnlyList<string>)[.. text.Words.Select(word => word.Label)])], expected).F1.ShouldBe(result.Best.Metrics["f1"], 1e-9);

        const string sentence = "😂 noble,  Romeo speak! Night";
        var tagged = model.Tag(sentence, Pieces);
        tagged.Words.Select(word => word.Text).ShouldBe(["😂", "noble", ",", "Romeo", "speak", "!", "Night"]);
        foreach (var word in tagged.Words) sentence[word.Start..word.End].ShouldBe(word.Text);
        // What the emoji and the comma are, which it never saw in training, is up to the model.
        tagged.Entities.Select(entity => (entity.Type, entity.Text)).ShouldContain(("who", "Romeo"));
        tagged.Entities.Select(entity => (entity.Type, entity.Text)).ShouldContain(("when", "Night"));
        foreach (var entity in tagged.Entities) sentence[entity.Start..entity.End].ShouldBe(entity.Text);
        Should.Throw<ArgumentException>(() => model.Tag(["a", ""], Pieces)).Message.ShouldContain("Text 1");
    }

    [Fact]
    public void Neighbouring_words_are_one_entity()
    {
        var tagged = new TaggedText("In New  York!", [new("In", 0, 2, "O", 1), new("New", 3, 6, "B-x", 0.5), new("York", 8, 12, "I-x", 0.7), new("!", 12, 13, "O", 1)]);
        var entity = tagged.Entities.ShouldHaveSingleItem();
        (entity.Type, entity.Text, entity.Start, entity.End).ShouldBe(("x", "New  York", 3, 12));
        entity.Probability.ShouldBe(0.6, 1e-12);
    }

    [Fact]
    public void A_long_text_is_tagged_in_windows_to_its_end()
    {
        using var model = TokenClassifier.FromConfig(Bert, 3, new LabelSet(Given));
        var sentence = string.Join(' ', Enumerable.Range(0, 100).Select(i => i % 3 == 0 ? "noble" : "night"));
        var tagged = model.Tag(sentence, Pieces, new() { Stride = 8 });   // 48 positions
        tagged.Words.Count.ShouldBe(100);
        tagged.Words.ShouldAllBe(word => word.Probability > 0);
        var whole = Pieces.Encode(sentence, new EncodeOptions());
        var windows = TextWindows.Of(whole, 0, 48, 8, what => new InvalidOperationException(what));
        windows.Count.ShouldBe(3);
        windows.All(window => window.Length <= 48 && window[0] == 0 && window[^1] == whole.Length - 1).ShouldBeTrue();
        windows.SelectMany(window => window).Distinct().Count().ShouldBe(whole.Length);
        windows[0].Intersect(windows[1]).Count().ShouldBe(8 + 2);
        // A word in the middle of the first window has the tag that the window alone gives it.
        using var scope = NewDisposeScope();
        var ids = windows[0].Select(i => (long)whole.Ids[i]).ToArray();
        var scores = model.forward(tensor(ids).unsqueeze(0)).softmax(2)[0, 6].data<float>().ToArray();
        tagged.Words[5].Probability.ShouldBe(scores.Max(), 1e-5);
    }
}
