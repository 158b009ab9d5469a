using static Peft.Models.Tests.Tasks.TaskModels;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Tasks;

public class QuestionAnsweringTests
{
    private static IReadOnlyList<long> Ids(Tensor tensor) => [.. tensor.data<long>()];

    private static string Spelled(Batch batch, int row)
    {
        var labels = Ids(batch.Labels![row]);
        return Pieces.Decode(Ids(batch.InputIds[row]).Skip((int)labels[0]).Take((int)(labels[1] - labels[0] + 1)).Select(id => (int)id), skipSpecialTokens: false);
    }

    [Fact]
    public void The_answers_first_and_last_token_are_learned()
    {
        var data = new QuestionAnsweringDataset([
            new("who speaks?", "😂 the noble prince speaks before the night", ["noble prince", "the noble prince"]),
            new("when?", "before the night, before the world", ["before"], 18),
            new("where?", "the prince", [])], Pieces);
        data.Count.ShouldBe(3);
        using var batch = data.GetBatch([0, 1, 2]);
        batch.Labels!.shape.ShouldBe([3, 2]);
        Spelled(batch, 0).ShouldBe("noble prince");
        Spelled(batch, 1).ShouldBe("before");
        Ids(batch.Labels[1])[0].ShouldBeGreaterThan(Ids(batch.InputIds[1]).ToList().IndexOf(Pieces.Encode("before", false)[0]));   // not the first of them
        Ids(batch.Labels[2]).ShouldBe([0, 0]);
        batch.Extra.Keys.ShouldContain("token_type_ids");
    }

    [Fact]
    public void A_long_text_becomes_windows_of_which_those_without_the_answer_learn_the_first_token()
    {
        var context = string.Join(' ', Enumerable.Repeat("noble", 30)) + " romeo " + string.Join(' ', Enumerable.Repeat("night", 20));
        var data = new QuestionAnsweringDataset([new("who?", context, ["romeo"])], Pieces, new() { MaxLength = 20, Stride = 4 });
        data.QuestionCount.ShouldBe(1);
        data.Count.ShouldBeGreaterThan(3);
        using var batch = data.GetBatch([.. Enumerable.Range(0, data.Count)]);
        batch.InputIds.shape[1].ShouldBe(20);
        var holding = Enumerable.Range(0, data.Count).Where(row => Ids(batch.Labels![row])[0] > 0).ToList();
        holding.ShouldNotBeEmpty();
        foreach (var row in holding) Spelled(batch, row).ShouldBe("romeo");
        var id = Pieces.Encode("romeo", false)[0];
        Enumerable.Range(0, data.Count).Where(row => Ids(batch.InputIds[row]).Contains(id)).ShouldBe(holding);
    }

    [Theory]
    [InlineData("{\"question\": \"who?\", \"context\": \"😂 the prince\", \"answers\": {\"text\": [\"prince\"], \"answer_start\": [6]}}", "prince")]   // code points
    [InlineData("{\"question\": \"who?\", \"context\": \"😂 the prince\", \"answers\": {\"text\": [\"prince\"], \"answer_start\": [7]}}", "prince")]   // UTF-16
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": \"prince\"}", "prince")]
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": {\"text\": [], \"answer_start\": []}}", null)]
    public void Questions_come_from_files(string line, string? answer) => InFile("a.jsonl", line, path =>
    {
        using var batch = QuestionAnsweringDataset.FromFile(path, Pieces).GetBatch([0]);
        if (answer is null) Ids(batch.Labels!).ShouldBe([0, 0]);
        else Spelled(batch, 0).ShouldBe(answer);
    });

    [Theory]
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": {\"text\": [\"prince\"], \"answer_start\": [1]}}", "line 1: the answer \"prince\" is not at position 1 of the context")]
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": {\"text\": [\"prince\"], \"answer_start\": [1000]}}", "is not at position 1000 of the context")]
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": {\"text\": [\"prince\"], \"answer_start\": [1.5]}}", "must be integers, but has 1.5")]
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": {\"text\": [\"prince\"], \"answer_start\": []}}", "1 answers, but 0 start positions")]
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": {\"text\": \"prince\"}}", "must be a list")]
    [InlineData("{\"question\": \"who?\", \"context\": \"the prince\", \"answers\": \"queen\"}", "line 1: the answer \"queen\" is not in the context")]
    [InlineData("{\"question\": \" \", \"context\": \"the prince\", \"answers\": \"prince\"}", "the question is empty")]
    [InlineData("{\"question\": \"who?\", \"context\": \"\", \"answers\": \"prince\"}", "the context is empty")]
    [InlineData("{\"question\": \"who?\", \"text\": \"\", \"answers\": \"prince\"}", "there is no field \"context\". Fields found: question, text, answers")]
    public void What_is_wrong_is_named(string line, string expected) => InFile("a.jsonl", line, path =>
    {
        var message = Should.Throw<DatasetException>(() => QuestionAnsweringDataset.FromFile(path, Pieces)).Message;
        message.ShouldContain(expected);
        message.ShouldContain(path);
    });

    [Fact]
    public void A_question_that_leaves_no_room_is_refused()
    {
        Should.Throw<DatasetException>(() => new QuestionAnsweringDataset([new(string.Join(' ', Enumerable.Repeat("noble", 30)), "night", [])], Pieces, new() { MaxLength = 20 }))
            .Message.ShouldContain("row 1: 33 tokens surround the text, which leaves no room for it within 20");
        using var model = QuestionAnswerer.FromConfig(Bert);
        Should.Throw<ArgumentException>(() => model.Answer([("who?", "prince"), ("", "night")], Pieces)).Message.ShouldContain("Question 1: the question is empty");
    }

    [Fact]
    public void The_best_answer_is_the_best_span_of_any_window()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = QuestionAnswerer.FromConfig(Bert, 3);
        var context = string.Join(' ', Told(12, 5).Select(row => row.Text));   // more than 48 positions
        var options = new AnswerOptions { MaxLength = 30, Stride = 6, MaxAnswerTokens = 4 };
        var answer = model.Answer("who speaks?", context, Pieces, options);
        context[answer.Start..answer.End].ShouldBe(answer.Text);

        // By hand: every span of every window.
        var pair = Pieces.Encode("who speaks?", context);
        var best = (Score: double.NegativeInfinity, Start: 0, End: 0);
        List<double> starts = [], ends = [];
        foreach (var window in TextWindows.Of(pair, 1, 30, 6, what => new InvalidOperationException(what)))
        {
            Tensor Row(IReadOnlyList<int> of) => tensor(window.Select(i => (long)of[i]).ToArray()).unsqueeze(0);
            var logits = model.forward(new ModelInput { InputIds = Row(pair.Ids), TokenTypeIds = Row(pair.TypeIds) });
            for (var i = 0; i < window.Length; i++)
            {
                if (pair.SequenceIds[window[i]] != 1) continue;
                starts.Add(logits[0, i, 0].item<float>());
                ends.Add(logits[0, i, 1].item<float>());
                for (var j = i; j < Math.Min(i + 4, window.Length); j++)
                    if (pair.SequenceIds[window[j]] == 1 && logits[0, i, 0].item<float>() + logits[0, j, 1].item<float>() is var score && score > best.Score)
                        best = (score, pair.Offsets[window[i]].Start, pair.Offsets[window[j]].End);
            }
        }
        (answer.Start, answer.End).ShouldBe((best.Start, best.End));
        answer.Probability.ShouldBe(Math.Exp(best.Score) / starts.Sum(Math.Exp) / ends.Sum(Math.Exp), 1e-4);
        model.Answer([("why?", "night"), ("who speaks?", context)], Pieces, options)[1].Start.ShouldBe(answer.Start);
    }

    [Fact]
    public void A_model_learns_to_answer_and_to_find_no_answer()
    {
        IEnumerable<QuestionAnsweringRow> Of(int count, int seed) => Told(count, seed).Select((row, i) => i % 6 == 0
            ? new QuestionAnsweringRow("who?", row.Text.Replace("romeo", "night").Replace("queen", "night"), [])
            : new("who?", row.Text, [row.Label == "man" ? "romeo" : "queen"]));
        var train = new QuestionAnsweringDataset(Of(120, 1), Pieces);
        using var model = QuestionAnswerer.FromConfig(Bert, 3);
        using var peft = model.ApplyLora(rank: 8);
        var result = new Trainer(peft, train, new() { Epochs = 12, LearningRate = 1e-2, BatchSize = 16, BestMetric = "exact_match" }) { Evaluation = new QuestionAnsweringDataset(Of(48, 2), Pieces) }.Train();
        result.Best!.Metrics["exact_match"].ShouldBeGreaterThan(0.85);
        result.Best.Metrics["f1"].ShouldBeGreaterThanOrEqualTo(result.Best.Metrics["exact_match"]);
        model.Answer("who?", "the night before the queen speak", Pieces).Text.ShouldBe("queen");
        model.Answer("who?", "world noble night", Pieces, new() { AllowNoAnswer = true }).IsFound.ShouldBeFalse();
    }
}
