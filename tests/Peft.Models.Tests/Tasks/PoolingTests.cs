using static Peft.Models.Tests.Tasks.TaskModels;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Tasks;

public class PoolingTests
{
    private static Tensor Ids => tensor(new long[] { 2, 17, 40, 8, 3, 2, 9, 3, 0, 0 }, [2, 5]);

    private static Tensor Mask => tensor(new long[] { 1, 1, 1, 1, 1, 1, 1, 1, 0, 0 }, [2, 5]);

    private static ModelInput Input => new() { InputIds = Ids, AttentionMask = Mask };

    private static IReadOnlyList<string> Names(PretrainedModel model) => [.. model.named_parameters().Select(each => each.name)];

    [Theory]
    [InlineData("bert", "bert.pooler.dense.weight")]
    [InlineData("distilbert", null)]
    [InlineData("llama", null)]
    public void The_mean_over_real_tokens_is_classified(string name, string? pooler)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = name switch { "bert" => Bert, "distilbert" => DistilBert, _ => Llama };
        using var model = SequenceClassifier.FromConfig(config, 3, new() { LabelCount = 3, Pooling = Pooling.Mean });
        if (pooler is not null) Names(model).ShouldNotContain(pooler);
        var hidden = model.Backbone.call(Input);
        var mean = stack([hidden[0].mean([0]), hidden[1].narrow(0, 0, 3).mean([0])], 0);
        var weights = model.named_parameters().ToDictionary(each => each.name, each => each.parameter);
        if (name == "distilbert") mean = mean.matmul(weights["pre_classifier.weight"].t()).add(weights["pre_classifier.bias"]).relu();
        var expected = mean.matmul(model.Head.Weight.t());
        if (model.Head.Bias is { } bias) expected = expected.add(bias);
        model.forward(Input).Difference(expected).ShouldBeLessThan(1e-5);
        model.Pooling.ShouldBe(Pooling.Mean);
    }

    [Fact]
    public void The_last_real_token_can_be_read_of_an_encoder_too()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = SequenceClassifier.FromConfig(Bert, 3, new() { LabelCount = 3, Pooling = Pooling.Last });
        var hidden = model.Backbone.call(Input);
        model.forward(Input).Difference(stack([hidden[0, 4], hidden[1, 2]], 0).matmul(model.Head.Weight.t()).add(model.Head.Bias!)).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void A_saved_model_is_loaded_with_its_pooling() => InFile("model", "", folder =>
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = SequenceClassifier.FromConfig(Bert, 3, new() { Id2Label = ["x", "y"], Pooling = Pooling.Mean });
        model.SavePretrained(folder);
        using var loaded = SequenceClassifier.FromPretrained(folder);
        loaded.InitializedParameters.ShouldBeEmpty();
        loaded.Pooling.ShouldBe(Pooling.Mean);
        loaded.Labels.ShouldBe(["x", "y"]);
        loaded.forward(Input).Difference(model.forward(Input)).ShouldBe(0);
        using var other = SequenceClassifier.FromPretrained(folder, new LabelSet("a", "b", "c"), pooling: Pooling.Cls);
        other.Pooling.ShouldBe(Pooling.Cls);
        other.InitializedParameters.ShouldContain("bert.pooler.dense.weight");   // a model that was read by its mean has none
        other.LabelCount.ShouldBe(3);
    });

    [Fact]
    public void What_makes_no_sense_is_refused()
    {
        Should.Throw<UnsupportedModelException>(() => SequenceClassifier.FromConfig(Llama, 0, new() { Pooling = Pooling.Cls })).Message.ShouldContain("attends to none of the others");
        Should.Throw<UnsupportedModelException>(() => SequenceClassifier.FromConfig(Bert.With("classifier_pooling", "max"))).Message.ShouldContain("'max' is not supported");
        Should.Throw<UnsupportedModelException>(() => SequenceClassifier.FromConfig(ModelConfig.FromFolder(Reference.Folder("t5")), 0, new() { Pooling = Pooling.Mean })).Message.ShouldContain("omit pooling");
    }
}
