using Microsoft.Extensions.AI;
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

    private static Tokenizer Load()
    {
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ bos_token }}{{ mood }}{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ '' + m.content }}{% endif %}{{ '\\n' }}{% endfor %}");
        return tokenizer;
    }
}
