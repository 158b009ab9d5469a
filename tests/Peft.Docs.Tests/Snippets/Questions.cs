using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Questions : InFolder
{
    [Fact]
    public void Questions_are_answered()
    {
        File.WriteAllText("questions.jsonl", string.Concat(new[] { "Lily", "Tom", "Ben", "Sue" }.Select(who =>
            $$$"""{"question": "Who went to the park?", "context": "One day, {{{who}}} went to the park.", "answers": {"text": ["{{{who}}}"], "answer_start": [9]}}""" + "\n")));
        // snippet: answer
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = QuestionAnswerer.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        var data = QuestionAnsweringDataset.FromFile("questions.jsonl", tokenizer);            // SQuAD's fields: question, context, answers
        new Trainer(peft, data, new() { Epochs = 30, LearningRate = 1e-2, BestMetric = "exact_match" }) { Evaluation = data }.Train();

        Answer answer = model.Answer("Who went to the park?", "One day, Tom went to the park.", tokenizer);
        Console.WriteLine($"{answer.Text}, from {answer.Start}, {answer.Probability:P0}");
        // end
        answer.Text.ShouldBe("Tom");
    }
}
