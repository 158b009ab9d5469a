using Peft.Models;
using PretrainAndFineTune;

namespace Peft.Examples.Tests;

public sealed class PretrainAndFineTuneTests : ExampleTests
{
    private static readonly Sizes Small = new()
    {
        Vocabulary = 1000, Hidden = 64, Length = 64, TextsPerIntent = 8, IntentEpochs = 3,
        PretrainingEpochs = new Dictionary<Kind, int> { [Kind.Bert] = 2, [Kind.Gpt] = 2 },
    };

    private static IReadOnlyList<string> Questions => [.. Corpus.Rows(Data, "banking77", "train").Take(3000).Select(row => row.GetProperty("text").GetString()!)];

    [Theory, InlineData(nameof(Kind.Bert)), InlineData(nameof(Kind.Gpt))]
    public void Pretraining_lowers_the_loss_and_the_saved_model_has_it(string name)
    {
        var kind = Enum.Parse<Kind>(name);
        var made = new Pretraining(kind, Small).Run(Questions, Work);
        made.LastLoss.ShouldBeLessThan(made.FirstLoss - 1);
        var tokenizer = Tokenizer.FromPretrained(Work);
        using PretrainedModel model = kind == Kind.Bert ? MaskedLM.FromPretrained(Work) : CausalLM.FromPretrained(Work);
        using var whole = model.ApplyFull();
        TrainingDataset data = kind == Kind.Bert ? new MaskedDataset(Questions, tokenizer, new() { WholeWords = true }) : TextDataset.FromText(string.Join("<|endoftext|>", Questions), tokenizer, blockSize: 64);
        new Trainer(whole, data, new() { EvaluationBatchSize = 64 }) { Evaluation = data }.Evaluate().Loss.ShouldBe(made.LastLoss, 0.5);
    }

    [Fact]
    public void Pretraining_carries_what_is_learned_from_a_few_labelled_words_to_words_without_a_label()
    {
        var sizes = Small with { PretrainingEpochs = new Dictionary<Kind, int> { [Kind.Bert] = 8 } };
        var pretrained = new Pretraining(Kind.Bert, sizes).Run(Topics.Texts, Work);
        double Accuracy(string method) => FineTuning.Run(pretrained, new Topics(), Method.All.Single(each => each.Name == method)).Score;
        Accuracy("from scratch").ShouldBeLessThan(0.2);   // 0.1 by chance
        Accuracy("full fine-tuning").ShouldBeGreaterThan(0.8);
        Accuracy("LoRA r8").ShouldBeGreaterThan(0.8);
        Accuracy("bottleneck ÷ 4").ShouldBeGreaterThan(0.8);
    }

    [Fact]
    public void The_corpus_holds_no_text_of_a_test()
    {
        var corpus = Corpus.Train(Data).ToHashSet();
        corpus.Count.ShouldBeGreaterThan(14_000);
        Corpus.Rows(Data, "banking77", "test").Select(row => row.GetProperty("text").GetString()!).ShouldAllBe(text => !corpus.Contains(text));
    }
}
