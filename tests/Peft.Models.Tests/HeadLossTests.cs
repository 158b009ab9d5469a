using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>The losses of heads that classify: what counts, and what labels are refused.</summary>
public class HeadLossTests
{
    private static readonly long[,] Rows = { { 5, 17, 40 }, { 9, 4, 22 } };

    [Theory]
    [InlineData("regression", 1)]
    [InlineData("multi_label_classification", 3)]
    [InlineData("single_label_classification", 3)]
    public void The_problem_type_of_the_configuration_chooses_the_loss(string problem, int classes)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = ModelConfig.FromFolder(Reference.Folder("bert-seqcls")).With("problem_type", problem);
        using var model = SequenceClassifier.FromConfig(config, options: new LoadOptions { LabelCount = classes });
        var input = new ModelInput { InputIds = tensor(Rows) };
        var logits = model.forward(input);
        var (labels, expected) = problem switch
        {
            "regression" => (tensor(new[] { 0.5f, -1 }), (logits.squeeze(1) - tensor(new[] { 0.5f, -1 })).square().mean()),
            "single_label_classification" => (tensor(new long[] { 2, 0 }), nn.functional.log_softmax(logits, 1).gather(1, tensor(new long[,] { { 2 }, { 0 } })).mean().neg()),
            _ => (tensor(new float[,] { { 1, 0, 1 }, { 0, 0, 1 } }), nn.functional.binary_cross_entropy_with_logits(logits, tensor(new float[,] { { 1, 0, 1 }, { 0, 0, 1 } }))),
        };
        model.Loss(input, labels).item<float>().ShouldBe(expected.item<float>(), 1e-6);
    }

    [Fact]
    public void Classes_have_weights()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var input = new ModelInput { InputIds = tensor(Rows) };
        using var model = SequenceClassifier.FromPretrained(Reference.Folder("bert-seqcls"), new LoadOptions { LabelCount = 3 });
        var labels = tensor(new long[] { 2, 0 });
        var each = nn.functional.log_softmax(model.forward(input), 1).gather(1, labels.unsqueeze(1)).neg().squeeze(1).data<float>().ToArray();
        model.ClassWeights = [0.5, 1, 2];
        model.Loss(input, labels).item<float>().ShouldBe((2 * each[0] + 0.5f * each[1]) / 2.5f, 1e-5);
        model.Divide(new Batch { InputIds = zeros([64, 8], ScalarType.Int64), Labels = zeros(64, ScalarType.Int64) }, 2).Count.ShouldBe(1);
        model.ClassWeights = null;
        model.Loss(input, labels).item<float>().ShouldBe((each[0] + each[1]) / 2, 1e-5);

        Should.Throw<ArgumentException>(() => model.ClassWeights = [1, 2]).Message.ShouldContain("2 weights (1, 2) for 3 classes");
        Should.Throw<ArgumentException>(() => model.ClassWeights = [1, 2, double.NaN]);
        Should.Throw<ArgumentException>(() => model.ClassWeights = [0, 0, 0]);
        model.ClassWeights = [0.5, 1, 2];
        Should.Throw<InvalidOperationException>(() => model.Loss(input, rand(2, 3))).Message.ShouldContain("multi_label_classification");

        using var tagger = TokenClassifier.FromPretrained(Reference.Folder("bert-tokcls"));
        var (tags, scores) = (tensor(new long[,] { { 0, 1, -100 }, { 1, 1, 2 } }), nn.functional.log_softmax(tagger.forward(input), 2));
        tagger.ClassWeights = [.. Enumerable.Range(1, tagger.LabelCount).Select(i => (double)i)];
        var sum = -(1 * scores[0, 0, 0] + 2 * scores[0, 1, 1] + 2 * scores[1, 0, 1] + 2 * scores[1, 1, 1] + 3 * scores[1, 2, 2]);
        tagger.Loss(input, tags).item<float>().ShouldBe(sum.item<float>() / 10, 1e-5);
    }

    [Fact]
    public void Balanced_weights_make_classes_count_alike()
    {
        ClassWeights.Balanced([0, 0, 0, 2, -100], 3).ShouldBe([4.0 / 9, 0, 4.0 / 3]);
        Should.Throw<ArgumentException>(() => ClassWeights.Balanced([0, 3], 3)).Message.ShouldContain("label 3");
        Should.Throw<ArgumentException>(() => ClassWeights.Balanced([-100], 3));
    }

    [Fact]
    public void An_answer_outside_of_the_sequence_does_not_count()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = QuestionAnswerer.FromPretrained(Reference.Folder("bert-qa"));
        var input = new ModelInput { InputIds = tensor(Rows) };
        float Loss(long[,] positions) => model.Loss(input, tensor(positions)).item<float>();

        var first = model.Loss(new ModelInput { InputIds = tensor(Rows).narrow(0, 0, 1) }, tensor(new long[,] { { 1, 2 } })).item<float>();
        Loss(new long[,] { { 1, 2 }, { 3, 7 } }).ShouldBe(first, 1e-6);
        Loss(new long[,] { { 1, 2 }, { -4, 1 } }).ShouldBe(Loss(new long[,] { { 1, 2 }, { 0, 1 } }), 1e-6);
        Loss(new long[,] { { 9, 9 }, { 9, 9 } }).ShouldBe(0);
    }

    [Fact]
    public void Ignored_labels_do_not_count()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var input = new ModelInput { InputIds = tensor(Rows) };
        using var tagger = TokenClassifier.FromPretrained(Reference.Folder("bert-tokcls"));
        tagger.Loss(input, full(2, 3, Batch.IgnoredLabel, ScalarType.Int64)).item<float>().ShouldBe(0);
        var expected = nn.functional.log_softmax(tagger.forward(input), 2)[1, 2, 4].neg().item<float>();
        tagger.Loss(input, tensor(new long[,] { { -100, -100, -100 }, { -100, -100, 4 } })).item<float>().ShouldBe(expected, 1e-6);
        using var filler = MaskedLM.FromPretrained(Reference.Folder("bert-mlm"));
        filler.Loss(input, full(2, 3, Batch.IgnoredLabel, ScalarType.Int64)).item<float>().ShouldBe(0);
    }

    [Fact]
    public void Labels_of_a_wrong_shape_or_beyond_the_classes_are_refused()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var input = new ModelInput { InputIds = tensor(Rows) };
        void Refuses(string name, Tensor labels, string said)
        {
            using var model = Reference.Load(name);
            Should.Throw<ArgumentException>(() => model.Loss(input, labels)).Message.ShouldContain(said);
        }

        Refuses("bert-seqcls", tensor(new long[] { 0, 1, 2 }), "[3]");
        Refuses("bert-seqcls", tensor(new long[] { 0, 3 }), "0 to 3");
        Refuses("bert-seqcls", tensor(new long[] { 0, -1 }), "-1 to 0");
        Refuses("bert-tokcls", tensor(new long[] { 0, 1 }), "[2]");
        Refuses("bert-tokcls", full(2, 3, 5, ScalarType.Int64), "5 to 5");
        Refuses("bert-qa", tensor(new long[] { 0, 1 }), "[2, 2]");
        Refuses("bert-mlm", tensor(new long[,] { { 1, 2 }, { 3, 4 } }), "[2, 2]");
        Refuses("t5", tensor(new long[] { 0, 1 }), "[2]");
        using var answerer = Reference.Load("bert-qa");
        Should.Throw<ArgumentException>(() => answerer.Loss(new Batch { InputIds = tensor(Rows) })).Message.ShouldContain("labels");
    }
}
