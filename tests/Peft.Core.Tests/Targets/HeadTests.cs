using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Targets;

/// <summary>Heads of encoders are fully trained beside the adapter, as in Hugging Face PEFT.</summary>
public class HeadTests
{
    private const string Roberta = """
        {"model_type":"roberta","vocab_size":20,"hidden_size":8,"num_attention_heads":2,"num_hidden_layers":1,"intermediate_size":16,
         "max_position_embeddings":12,"type_vocab_size":1,"pad_token_id":1}
        """;

    private static readonly long[,] Rows = { { 5, 7, 4 }, { 9, 4, 2 } };

    [Fact]
    public void All_linear_leaves_out_what_is_trained_whole()
    {
        using var scope = NewDisposeScope();
        using var model = SequenceClassifier.FromConfig(ModelConfig.Parse(Roberta));
        using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = "all-linear" });
        var keys = peft.Trainables.Select(each => each.Name["base_model.model.".Length..]).ToList();
        keys.Where(key => key.StartsWith("classifier", StringComparison.Ordinal)).ShouldBe(
            ["classifier.dense.weight", "classifier.dense.bias", "classifier.out_proj.weight", "classifier.out_proj.bias"], ignoreOrder: true);
        keys.Count(key => key.EndsWith("lora_A.weight", StringComparison.Ordinal)).ShouldBe(6);   // query, key, value, output, and the feed-forward network's two
    }

    [Fact]
    public void The_head_of_question_answering_is_trained_and_saved()
    {
        using var scope = NewDisposeScope();
        using var model = QuestionAnswerer.FromConfig(ModelConfig.Parse(Roberta));
        using var peft = model.ApplyLora(rank: 2);
        peft.Trainables.ShouldContain(each => each.Name == "base_model.model.qa_outputs.weight");
        var before = model.forward(new ModelInput { InputIds = tensor(Rows) });
        model.Loss(new ModelInput { InputIds = tensor(Rows) }, tensor(new long[,] { { 0, 1 }, { 1, 2 } })).backward();
        peft.Trainables.Where(each => each.Value.grad is null).ShouldBeEmpty();
        peft.Shake();
        before.Difference(model.forward(new ModelInput { InputIds = tensor(Rows) })).ShouldBeGreaterThan(1e-3f);
    }

    [Fact]
    public void A_target_that_is_fully_trained_anyway_is_refused()
    {
        using var model = SequenceClassifier.FromConfig(ModelConfig.Parse(Roberta));
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { TargetModules = ["out_proj"] })).Message.ShouldContain("fully trained");
    }
}
