using System.Text.Json.Nodes;

namespace Peft.Alignment.Tests;

/// <summary>Rows that cannot be learned from are refused by an exception that says which row, and what to do.</summary>
public sealed class BadRowTests
{
    private const string Good = """{"prompt": "Why? ", "chosen": "Because.", "rejected": "Nobody knows.", "completion": "Because."}""";

    [Theory]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes."}""", "there is no field \"rejected\"")]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes.", "rejected": "Yes."}""", "remove the row")]
    [InlineData("""{"prompt": "Why? ", "chosen": "", "rejected": "Yes."}""", "\"chosen\" is empty")]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes.", "rejected": 5}""", "must be text or a list of messages, but is 5")]
    [InlineData("""{"chosen": "Yes.", "rejected": "No."}""", "no common beginning")]
    [InlineData("""{"chosen": [], "rejected": []}""", "\"chosen\" is empty")]
    [InlineData("""{"prompt": "Why?", "completion": "Because.", "label": true}""", nameof(UnpairedDataset))]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}]}""", nameof(SftDataset))]
    [InlineData("""{"prompt": [{"role": "user", "content": "a"}], "chosen": "Yes.", "rejected": "No."}""", "all must be of the same kind")]
    [InlineData("""{"prompt": "Why? ", "chosen": [{"role": "user", "content": "a"}], "rejected": "No."}""", "both must be of the same kind")]
    [InlineData("""{"prompt": [{"content": "a"}], "chosen": [{"role": "assistant", "content": "b"}], "rejected": [{"role": "assistant", "content": "c"}]}""", "message 0 of \"prompt\" has no role")]
    [InlineData("""{"prompt": ["a"], "chosen": [{"role": "assistant", "content": "b"}], "rejected": [{"role": "assistant", "content": "c"}]}""", "must be an object with role and content")]
    [InlineData("""{"prompt": [{"role": "user", "content": "a"}], "chosen": [{"role": "assistant", "content": "b"}], "rejected": [{"role": "assistant", "content": "c"}], "tools": 7}""", "\"tools\" must be a list")]
    [InlineData("""{"prompt": [{"role": "user", "content": "a"}], "chosen": [{"role": "assistant", "content": "b"}], "rejected": [{"role": "assistant", "content": "c"}], "chat_template_kwargs": []}""", "must be an object with variables")]
    public void Preferences(string row, string message) => Check(rows => PreferenceDataset.FromRows(rows, Chats.Tokenizer()), row, message);

    [Theory]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes.", "rejected": "Yes."}""", "remove the row")]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes.", "rejected": "No.", "margin": 1}""", "the first row has none")]
    [InlineData("""{"prompt": "Why? ", "completion": "Yes."}""", nameof(SftDataset))]
    public void Scored_pairs(string row, string message) => Check(rows => RewardDataset.FromRows(rows, Chats.Tokenizer()), row, message);

    [Theory]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes.", "rejected": "No.", "margin": "big"}""", "\"margin\" must be a number, but is \"big\"")]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes.", "rejected": "No."}""", "the first row has one")]
    public void Margins(string row, string message) => Check(rows => RewardDataset.FromRows(rows, Chats.Tokenizer()), row, message, """{"prompt": "Why? ", "chosen": "Yes.", "rejected": "No.", "margin": 1}""");

    [Theory]
    [InlineData("""{"prompt": "Why? ", "completion": "Yes."}""", "there is no field \"label\"")]
    [InlineData("""{"prompt": "Why? ", "completion": "Yes.", "label": 1}""", "must be true or false, but is 1")]
    [InlineData("""{"prompt": "Why? ", "completion": "Yes.", "label": "true"}""", "must be true or false")]
    [InlineData("""{"prompt": "Why? ", "completion": "", "label": true}""", "\"completion\" is empty")]
    [InlineData("""{"completion": "Yes.", "label": true}""", "there is no field \"prompt\"")]
    [InlineData("""{"prompt": "Why? ", "chosen": "Yes.", "rejected": "No."}""", nameof(PreferenceDataset))]
    public void Unpaired(string row, string message) => Check(rows => UnpairedDataset.FromRows(rows, Chats.Tokenizer()), row, message, """{"prompt": "Why? ", "completion": "Because.", "label": true}""");

    [Theory]
    [InlineData("""{"prompt": "Why? ", "completions": ["a", "b"], "labels": [true]}""", "2 completions, but 1 labels")]
    [InlineData("""{"prompt": "Why? ", "completions": [], "labels": []}""", "no steps")]
    [InlineData("""{"prompt": "Why? ", "completions": ["a", 3], "labels": [true, false]}""", "must be a list of texts")]
    [InlineData("""{"prompt": "Why? ", "completions": ["a"], "labels": [1]}""", "must be a list of true and false")]
    [InlineData("""{"prompt": 3, "completions": ["a"], "labels": [true]}""", "must be a text, but is 3")]
    [InlineData("""{"completions": ["a"], "labels": [true]}""", "there is no field \"prompt\"")]
    [InlineData("""{"prompt": "Why? ", "completion": "Yes.", "label": true}""", nameof(UnpairedDataset))]
    public void Steps(string row, string message)
        => Check(rows => StepwiseDataset.FromRows(rows, Chats.Tokenizer()), row, message, """{"prompt": "Why? ", "completions": ["Because.", "So."], "labels": [true, false]}""");

    [Theory]
    [InlineData("""{"text": "Why?"}""", nameof(SftDataset))]
    [InlineData("""{"prompt": []}""", "has no messages")]
    [InlineData("""{"prompt": true}""", "must be text or a list of messages, but is true")]
    public void Prompts(string row, string message) => Check(rows => PromptDataset.FromRows(rows, Chats.Tokenizer()), row, message);

    [Theory]
    [InlineData("""{"prompt": "Why? "}""", "there is no field \"completion\"")]
    [InlineData("""{"prompt": "Why? ", "completion": ""}""", "\"completion\" is empty")]
    [InlineData("""{"prompt": "Why? ", "completion": [{"role": "assistant", "content": "b"}]}""", "both must be of the same kind")]
    [InlineData("""{"prompt": "Why? ", "completion": "Yes.", "label": false}""", nameof(UnpairedDataset))]
    [InlineData("""{"text": ""}""", "nothing to learn")]
    [InlineData("""{"messages": []}""", "nothing to learn")]
    [InlineData("""{"body": "a"}""", "there is no field \"text\". Fields found: body.")]
    [InlineData("""{}""", "Fields found: none")]
    [InlineData("""{"chosen": "a", "rejected": "b"}""", nameof(PreferenceDataset))]
    public void Supervised(string row, string message) => Check(rows => SftDataset.FromRows(rows, Chats.Tokenizer()), row, message);

    [Fact]
    public void What_the_chat_template_rejects()
    {
        var strict = Chats.Tokenizer("{{ raise_exception('no system messages') }}");
        var error = Should.Throw<DatasetException>(() => SftDataset.FromRows([Chats.Row($$"""{"messages": [{{Chats.Message("user", "a")}}]}""")], strict)).Message;
        error.ShouldStartWith("Row 0 of SFT dataset");
        error.ShouldContain("no system messages");
    }

    [Fact]
    public void Options_that_do_not_fit_the_rows()
    {
        Error(new() { AssistantOnly = true }, """{"text": "a"}""").ShouldContain("not a conversation");
        Error(new() { AssistantOnly = true }, $$"""{"messages": [{{Chats.Message("user", "a")}}]}""").ShouldContain("no token belongs to the assistant");
        Error(new() { CompletionOnly = true }, """{"text": "a"}""").ShouldContain("no prompt and completion");

        static string Error(SftDatasetOptions options, string row) => Should.Throw<DatasetException>(() => SftDataset.FromRows([Chats.Row(row)], Chats.Tokenizer(), options)).Message;
    }

    [Fact]
    public void Options_that_contradict_each_other()
    {
        foreach (var options in new SftDatasetOptions[]
        {
            new() { MaxLength = 1 }, new() { MaxLength = null, Packing = PackingStrategy.BestFit }, new() { Packing = PackingStrategy.BestFit, Truncation = TruncationMode.KeepEnd },
            new() { Packing = PackingStrategy.Wrapped, Layout = BatchLayout.Packed }, new() { TextField = "" },
        })
            Should.Throw<ArgumentException>(() => SftDataset.FromRows([Chats.Row(Good)], Chats.Tokenizer(), options));
        Should.Throw<ArgumentException>(() => PreferenceDataset.FromRows([Chats.Row(Good)], Chats.Tokenizer(), new() { MaxLength = 0 }));
    }

    [Fact]
    public void Nothing_at_all()
    {
        Should.Throw<DatasetException>(() => PreferenceDataset.FromRows([], Chats.Tokenizer())).Message.ShouldContain("has no rows");
        Should.Throw<DatasetException>(() => UnpairedDataset.FromRows([], Chats.Tokenizer())).Message.ShouldContain("has no rows");
        Should.Throw<DatasetException>(() => RewardDataset.FromRows([], Chats.Tokenizer())).Message.ShouldContain("has no rows");
        Should.Throw<DatasetException>(() => PromptDataset.FromRows([null!], Chats.Tokenizer())).Message.ShouldContain("is null");
        Should.Throw<DatasetException>(() => SftDataset.FromRows([Chats.Row(Good)], Chats.Tokenizer(), new() { MaxLength = 2 })).Message.ShouldContain("raise MaxLength");
        Should.Throw<ArgumentNullException>(() => SftDataset.FromRows(null!, Chats.Tokenizer()));
        Should.Throw<ArgumentNullException>(() => SftDataset.FromRows([Chats.Row(Good)], null!));
        var dataset = SftDataset.FromRows([Chats.Row(Good)], Chats.Tokenizer());
        Should.Throw<ArgumentOutOfRangeException>(() => dataset.GetBatch([1]));
        Should.Throw<ArgumentException>(() => dataset.GetBatch([]));
    }

    [Fact]
    public void Lines_of_a_file()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "rows.jsonl");
        File.WriteAllText(path, Good + "\n\n" + """{"prompt": "Why? ", "chosen": "Yes.", "rejected": "Yes."}""");
        Should.Throw<DatasetException>(() => PreferenceDataset.FromFile(path, Chats.Tokenizer())).Message.ShouldStartWith($"{path}, line 3: chosen and rejected are the same");
        File.WriteAllText(path, Good + "\n{");
        Should.Throw<DatasetException>(() => UnpairedDataset.FromFile(path, Chats.Tokenizer())).Message.ShouldContain("line 2");
        Should.Throw<DatasetException>(() => PromptDataset.FromFile(path + ".gone", Chats.Tokenizer())).Message.ShouldContain("There is no file");
        File.Delete(path);
    }

    private static void Check(Func<IEnumerable<JsonObject>, TrainingDataset> prepare, string row, string message, string good = Good)
    {
        var error = Should.Throw<DatasetException>(() => prepare([Chats.Row(good), Chats.Row(row)])).Message;
        error.ShouldStartWith("Row 1 of ");
        error.ShouldContain(message);
    }
}
