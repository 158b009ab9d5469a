using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Peft.Tokenizers.Tests.Chat;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Chat;

public class ChatDatasetTests
{
    private static readonly ChatMessage[] Short = [new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hello")];
    private static readonly ChatMessage[] Long = [new(ChatRole.User, "Tell me of the dog"), new(ChatRole.Assistant, "It ran to the park"), new(ChatRole.User, "And?"), new(ChatRole.Assistant, "It came home")];

    [Fact]
    public void Batches_hold_the_conversations_and_labels_of_the_assistant_only()
    {
        using var scope = NewDisposeScope();
        var tokenizer = Load();
        var data = new ChatDataset([Short, Long], tokenizer);
        var encoded = new[] { Short, Long }.Select(messages => tokenizer.ApplyChatTemplate(messages)).ToArray();

        encoded.ShouldAllBe(chat => chat.Labels[0] == Batch.IgnoredLabel);
        var padded = data.GetBatch([0, 1]);
        var width = encoded[1].Ids.Count;
        padded.InputIds.shape.ShouldBe([2, width]);
        padded.Labels!.Ids()[..encoded[0].Ids.Count].ShouldBe(encoded[0].Labels.Select(label => (int)label));
        padded.Labels!.Ids()[width..].ShouldBe(encoded[1].Labels.Select(label => (int)label));
        padded.Weight.ShouldBe(encoded.Sum(chat => chat.AssistantMask.Count(learned => learned)));

        var packed = new ChatDataset([Short, Long], tokenizer, new() { Layout = BatchLayout.Packed }).GetBatch([1, 0]);
        packed.PackedLengths.ShouldBe([width, encoded[0].Ids.Count]);
        packed.InputIds.Ids().ShouldBe(encoded[1].Ids.Concat(encoded[0].Ids));
    }

    [Fact]
    public void Conversations_too_long_are_cut_and_those_without_an_answer_dropped()
    {
        var data = new ChatDataset([Long, [new(ChatRole.User, "Nobody answers")]], Load(), new() { MaxLength = 60 });
        (data.Count, data.TruncatedRows, data.DroppedRows).ShouldBe((1, 1, 1));
        data.LengthOf(0).ShouldBe(60);
        Should.Throw<DatasetException>(() => new ChatDataset([Long], Load(), new() { MaxLength = 4 })).Message.ShouldContain("MaxLength");
        Should.Throw<DatasetException>(() => new ChatDataset([], Load())).Message.ShouldContain("no conversations");
    }

    [Fact]
    public void A_files_lines_are_conversations_with_their_variables_and_errors_name_the_line()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "chats.jsonl");
        var tokenizer = Load();
        folder.Write("chats.jsonl", """
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "mood": "good"}

            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
            """);
        var data = ChatDataset.FromFile(path, tokenizer);
        data.Count.ShouldBe(2);
        data.LengthOf(0).ShouldBeGreaterThan(data.LengthOf(1));

        folder.Write("chats.jsonl", """{"messages": [{"role": "user", "content": "Hi"}]}""" + "\n" + """{"text": "x"}""");
        Should.Throw<DatasetException>(() => ChatDataset.FromFile(path, tokenizer)).Message.ShouldContain("line 2");
        folder.Write("chats.jsonl", """{"messages": [{"role": "user"}]}""");
        Should.Throw<DatasetException>(() => ChatDataset.FromFile(path, tokenizer)).Message.ShouldContain("line 1: Chat template, line 1");
    }

    // What each writes behind an assistant's message, which its tokenizer has as a special token.
    [Theory]
    [InlineData("chatml", "<|im_end|>")]
    [InlineData("chatml-generation", "<|im_end|>")]
    [InlineData("qwen-tools", "<|im_end|>")]
    [InlineData("thinking", "<|im_end|>")]
    [InlineData("llama2", "</s>")]
    [InlineData("llama3", "<|eot_id|>")]
    [InlineData("mistral", "</s>")]
    [InlineData("gemma", "<end_of_turn>")]
    [InlineData("phi3", "<|end|>")]
    [InlineData("zephyr", "</s>")]
    [InlineData("vicuna", "</s>")]
    [InlineData("alpaca", "</s>")]
    public void Published_templates_give_no_warning_but_without_their_end_token_one(string name, string end)
    {
        var text = ChatData.Template(name);
        var tokenizer = With(text, end);
        new ChatDataset([Short], tokenizer).Warnings.ShouldBeEmpty();
        new ChatDataset([Short], tokenizer, new() { EndTokenIds = [tokenizer.TokenToId(end)!.Value] }).Warnings.ShouldBeEmpty();

        var log = new Messages();
        var unstoppable = new ChatDataset([Short, Short], tokenizer, new() { EndTokenIds = [5] }, log);
        unstoppable.Warnings.ShouldHaveSingleItem().ShouldContain("never learns to stop");
        log.Texts.ShouldBe(unstoppable.Warnings);
        if (!text.Contains("eos_token")) new ChatDataset([Short], With(text)).Warnings.ShouldHaveSingleItem().ShouldContain("never learns to stop");
    }

    [Theory]
    [InlineData("{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}", "must generate \"assistant:\" itself")]
    [InlineData("{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'user' %}{{ m.content }}{% else %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% endif %}\n{% endfor %}", "must generate \"<|assistant|>\" itself")]
    [InlineData("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}", "never learns to stop")]
    [InlineData("{% for m in messages %}{{ m.role }}: {% generation %}{{ m.content }}{% endgeneration %}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}", "never learns to stop")]
    public void A_template_without_a_prompt_or_an_end_is_a_warning_that_the_trainer_logs(string template, string expected)
    {
        var data = new ChatDataset([[new(ChatRole.User, "Nobody answers")], Short, Long], With(template));
        data.Warnings.ShouldHaveSingleItem().ShouldContain(expected);

        using var model = CausalLM.FromPretrained(Reference.Stories);
        using var peft = model.ApplyLora(rank: 2);
        var log = new Messages();
        new Trainer(peft, data, new TrainingOptions { MaxSteps = 1, BatchSize = 1 }) { Logger = log }.Train();
        log.Texts.ShouldContain(data.Warnings[0]);
    }

    private static Tokenizer With(string template, params string[] special)
    {
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.AddTokens(special, special: true);
        tokenizer.ChatTemplate = ChatTemplate.Parse(template);
        return tokenizer;
    }

    private sealed class Messages : ILogger
    {
        public List<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Texts.Add(formatter(state, exception));
    }

    private static Tokenizer Load()
    {
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ bos_token }}{{ mood }}{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ '' + m.content }}{% endif %}{{ '\\n' }}{% endfor %}");
        return tokenizer;
    }
}
