using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Distillation;

public sealed class GkdTests
{
    [Theory, InlineData(0, false), InlineData(1, false), InlineData(0, true)]
    public void The_student_comes_near_to_its_teacher(double lambda, bool sequenceLevel)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var teacher = TinyModel.Create(seed: 8);
        manual_seed(1);   // for the adapter
        using var student = model.ApplyLora(rank: 8);
        var losses = new List<double>();
        var onPolicy = new List<double>();
        new Trainer(student, TrainingDataset.From(8, Rows), new TrainingOptions { MaxSteps = 40, BatchSize = 8, LearningRate = 1e-2, Schedule = LearningRateSchedule.Constant })
        {
            Objective = new GkdObjective(student, Reference.Model(teacher), new GkdOptions { Lambda = lambda, SequenceLevel = sequenceLevel, MaxNewTokens = 5 }),
        }.Train(new Reporter(progress =>
        {
            losses.Add(progress.Loss);
            onPolicy.Add(progress.Metrics["on_policy"]);
        }));
        onPolicy.Distinct().ShouldBe([lambda]);
        losses.TakeLast(5).Average().ShouldBeLessThan(0.8 * losses.Take(5).Average());
    }

    [Fact]
    public void A_teacher_that_is_the_student_and_a_beta_out_of_range_are_refused()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var student = model.ApplyLora(rank: 4);
        Should.Throw<TrainingException>(() => new Trainer(student, TrainingDataset.From(8, Rows)) { Objective = new GkdObjective(student, Reference.Model(model), new GkdOptions { Beta = 2 }) }.Train()).Message
            .ShouldSatisfyAllConditions(message => message.ShouldContain("Beta must be in [0, 1]"), message => message.ShouldContain("policy itself"));
    }

    // Else a generated completion would begin after the first token of a text.
    [Theory, InlineData("""{"text": "Once upon a time"}""", true), InlineData("""{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]}""", true)]
    [InlineData("""{"prompt": "Once", "completion": " upon"}""", false)]
    public void Rows_without_a_prompt_are_refused_where_completions_are_generated(string row, bool isRefused)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create(vocabulary: 1000);
        using var teacher = TinyModel.Create(seed: 8, vocabulary: 1000);
        using var student = model.ApplyLora(rank: 4);
        foreach (var lambda in new[] { 0.0, 1 })
        {
            var data = SftDataset.FromRows([Chats.Row(row)], Chats.Tokenizer());
            void Run() => new Trainer(student, data, new() { MaxSteps = 1, BatchSize = 1 }) { Objective = new GkdObjective(student, Reference.Model(teacher), new() { Lambda = lambda, MaxNewTokens = 2 }) }.Train();
            if (isRefused && lambda > 0) Should.Throw<TrainingException>(Run).Message.ShouldContain("Row 0 of the batch has no prompt");
            else Run();
        }
    }

    [Fact]
    public void The_last_message_of_a_conversation_is_what_is_learned_and_those_before_are_the_prompt()
    {
        var row = Chats.Row($$"""{"messages": [{{Chats.Message("user", "A")}}, {{Chats.Message("assistant", "B")}}, {{Chats.Message("user", "C")}}, {{Chats.Message("assistant", "D")}}]}""");
        var learned = SftDataset.FromRows([row], Chats.Tokenizer(), new() { LastMessageOnly = true }).Rows[0][0];
        Chats.Text(learned.Ids.Zip(learned.Labels).Where(pair => pair.Second == Batch.IgnoredLabel).Select(pair => pair.First)).ShouldEndWith("C<|im_end|>\n<|im_start|>assistant\n");
        Chats.Text(learned.Labels.Where(label => label != Batch.IgnoredLabel)).ShouldBe("D<|im_end|>\n");
        Should.Throw<DatasetException>(() => SftDataset.FromRows([Chats.Row($$"""{"messages": [{{Chats.Message("user", "A")}}]}""")], Chats.Tokenizer(), new() { LastMessageOnly = true })).Message.ShouldContain("a single message");
        Should.Throw<ArgumentException>(() => SftDataset.FromRows([row], Chats.Tokenizer(), new() { LastMessageOnly = true, AssistantOnly = true })).Message.ShouldContain("LastMessageOnly and AssistantOnly");
    }

    private static Batch Rows(IReadOnlyList<int> rows)
    {
        var pairs = TinyModel.Pairs();
        var labels = pairs.InputIds.masked_fill(pairs.Extra["completion_mask"].eq(0), -100);
        var index = tensor(rows.Select(row => (long)row).ToArray());
        return new() { InputIds = pairs.InputIds.index_select(0, index), Labels = labels.index_select(0, index), Weight = rows.Count * 4 };
    }

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
