using static Peft.Models.Tests.Tasks.TaskModels;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Tasks;

public class ClassifyTests
{
    private static readonly string[] Texts = ["noble", "the heart of the world and the night before", "speak, prince!", "queen", "against the noble world", "a"];

    [Fact]
    public void Texts_are_classified_in_their_order_whatever_the_batches()
    {
        using var model = SequenceClassifier.FromConfig(Bert, 3, new LabelSet("x", "y", "z"));
        var one = Texts.Select(text => model.Classify(text, Pieces)).ToList();
        one.Select(each => each.Label).Distinct().Count().ShouldBeGreaterThan(1);   // else the order would not be seen
        foreach (var size in new[] { 1, 2, 4, 100 })
        {
            var many = model.Classify(Texts, Pieces, new() { BatchSize = size });
            for (var i = 0; i < Texts.Length; i++)
            {
                many[i].Scores.Select(score => score.Label).ShouldBe(one[i].Scores.Select(score => score.Label));
                for (var c = 0; c < 3; c++) many[i].Scores[c].Probability.ShouldBe(one[i].Scores[c].Probability, 1e-5);
            }
        }
        using var scope = NewDisposeScope();
        var logits = model.forward(tensor(Pieces.Encode(Texts[1]).Select(id => (long)id).ToArray()).unsqueeze(0));
        var expected = logits.softmax(1).data<float>().ToArray();
        foreach (var (label, probability) in one[1].Scores) probability.ShouldBe(expected[model.Labels.IdOf(label)], 1e-5);
        one[1].Scores.Select(score => score.Probability).ShouldBeInOrder(SortDirection.Descending);
        model.Classify(Array.Empty<string>(), Pieces).ShouldBeEmpty();
    }

    [Fact]
    public void Several_classes_have_probabilities_of_their_own()
    {
        using var model = SequenceClassifier.FromConfig(Bert, 3, new LabelSet(ProblemType.MultiLabel, ["x", "y", "z"]));
        using var scope = NewDisposeScope();
        var expected = model.forward(tensor(Pieces.Encode(Texts[1]).Select(id => (long)id).ToArray()).unsqueeze(0)).sigmoid().data<float>().ToArray();
        var found = model.Classify(Texts[1], Pieces);
        foreach (var (label, probability) in found.Scores) probability.ShouldBe(expected[model.Labels.IdOf(label)], 1e-5);
        found.LabelsFrom(0.5).Count().ShouldBe(expected.Count(each => each >= 0.5));
    }

    [Fact]
    public void Numbers_and_pairs()
    {
        using var model = SequenceClassifier.FromConfig(Bert, 3, new LabelSet(ProblemType.Regression, ["score"]));
        using var scope = NewDisposeScope();
        var pair = Pieces.Encode("noble", "heart");
        Tensor Row(IReadOnlyList<int> ids) => tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0);
        var expected = model.forward(new ModelInput { InputIds = Row(pair.Ids), TokenTypeIds = Row(pair.TypeIds) }).item<float>();
        var found = model.Regress([("the night of the noble world", "queen"), ("noble", "heart")], Pieces);
        found[1].ShouldBe(expected, 1e-5);
        Should.Throw<InvalidOperationException>(() => model.Classify("noble", Pieces)).Message.ShouldContain("use Regress");
        using var classes = SequenceClassifier.FromConfig(Bert, 3, new LabelSet("x", "y"));
        Should.Throw<InvalidOperationException>(() => classes.Regress(["noble"], Pieces)).Message.ShouldContain("use Classify");
    }

    [Fact]
    public void Long_texts_are_cut_to_the_models_positions_and_say_so()
    {
        using var model = SequenceClassifier.FromConfig(Bert, 3, new LabelSet("x", "y"));
        var longText = string.Join(' ', Enumerable.Repeat("noble", 100));   // 102 tokens for 48 positions
        var found = model.Classify(["noble", longText], Pieces);
        found.Select(each => each.IsTruncated).ShouldBe([false, true]);
        found[1].Probability.ShouldBe(model.Classify(string.Join(' ', Enumerable.Repeat("noble", 46)), Pieces).Probability, 1e-6);
        Should.Throw<ArgumentException>(() => model.Classify(["noble", longText], Pieces, new() { Truncate = false })).Message.ShouldContain("Text 1: the text has 102 tokens, but 48 are allowed");
        Should.Throw<ArgumentException>(() => model.Classify(["noble", ""], Pieces)).Message.ShouldContain("Text 1: the text is empty");
        Should.Throw<ArgumentException>(() => model.Classify(["noble", null!], Pieces)).Message.ShouldContain("Text 1 is null");
    }

    [Fact]
    public void The_model_keeps_its_mode_and_rows_with_adapters_of_their_own_keep_them()
    {
        using var model = SequenceClassifier.FromConfig(Bert, 3, new LabelSet("x", "y"));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2 }, "a");
        peft.Add("b", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Random });
        model.train();
        var plain = model.Classify(Texts, Pieces, new() { BatchSize = 2 });
        model.training.ShouldBeTrue();
        peft.Activate("b");
        var other = model.Classify(Texts, Pieces, new() { BatchSize = 2 });
        Math.Abs(other[0].Probability - plain[0].Probability).ShouldBeGreaterThan(1e-4);
        using (peft.Rows("a", "b", "a", "b", "b", "a"))
        {
            var mixed = model.Classify(Texts, Pieces, new() { BatchSize = 2 });
            for (var i = 0; i < Texts.Length; i++)
                foreach (var (label, probability) in mixed[i].Scores)
                    probability.ShouldBe((i is 0 or 2 or 5 ? plain : other)[i].Scores.First(score => score.Label == label).Probability, 1e-5);
        }
    }

    [Fact]
    public void A_decoder_is_read_at_each_texts_last_token_whatever_its_padding()
    {
        using var model = SequenceClassifier.FromConfig(Llama, 3, new LabelSet("x", "y"));
        var one = Texts.Select(text => model.Classify(text, Pieces).Scores.First(score => score.Label == "x").Probability).ToList();
        model.Classify(Texts, Pieces).Select(each => each.Scores.First(score => score.Label == "x").Probability).Zip(one, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5);
        // The configuration's padding id need not be the tokenizer's.
        using var other = SequenceClassifier.FromConfig(Llama.With("pad_token_id", 699), 3, new LabelSet("x", "y"));
        other.Classify(Texts, Pieces).Select(each => each.Scores.First(score => score.Label == "x").Probability).Zip(one, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5);
        ClassificationDataset Rows(int? padding) => new(Texts.Select(text => new ClassificationRow(text, "x")), Pieces, new() { Labels = ["x", "y"], PadId = padding });
        Rows(null).Errors(other).ShouldHaveSingleItem().ShouldContain("pads rows with token 0, but the model finds a row's last token by the pad_token_id 699");
        var data = Rows(699);
        data.Errors(other).ShouldBeEmpty();
        using var scope = NewDisposeScope();
        var (_, logits) = other.LossAndOutput(data.GetBatch([.. Enumerable.Range(0, Texts.Length)]));
        logits.softmax(1).select(1, 0).data<float>().Zip(one, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5);
    }
}
